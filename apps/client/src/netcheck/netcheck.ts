import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { type DefaultRoute, defaultRoutes, natOf, RelayMeter, type Sighting } from '@sallyport/agent-runtime';
import type { RelayPointItem, StateItem } from '@sallyport/contract/channel';
import type { Netcheck } from '@sallyport/contract/local';
import { gatewayName } from '../state/status.ts';
import { adviceOn } from './advice.ts';
import { askController } from './controller.ts';
import type { PathMtu } from './mtu-watch.ts';

export interface NetcheckContext {
  /** As typed; null: none is known. */
  readonly controller: string;
  /** Certificates to trust besides those of the system; null: none. */
  readonly caFile?: string | null;
  /** Whether the daemon's channel is up. */
  readonly connected: boolean;
  /** What the daemon was told of the NAT; null: it is not connected. */
  readonly sighting: Sighting | null;
  readonly items: ReadonlyMap<string, StateItem>;
  /** Reads when each WireGuard peer answered last, by public key, in epoch milliseconds. */
  readonly handshakes: () => Promise<Handshakes>;
  /** Measures what paths to gateways carry; left out: none is known. */
  readonly measurePaths?: () => Promise<PathMtu[]>;
  readonly interface: string;
  readonly wireguard: Netcheck['wireguard'];
}

type Handshakes = ReadonlyMap<string, number | null>;

/** Looks at the network around this device: a second or two, some more right after it has connected. */
export async function netcheck(context: NetcheckContext): Promise<Netcheck> {
  const { items, interface: own } = context;
  const [controller, relays, routes, pathMtus, beacons] = await Promise.all([
    askController(context.controller, context.caFile ?? null),
    measureRelays(items),
    defaultRoutes(own),
    context.measurePaths?.() ?? [],
    askBeacons(context),
  ]);
  const client = items.get('client');
  const facts = {
    type: 'netcheck' as const,
    controller: { url: context.controller, connected: context.connected, ...controller },
    relays,
    beacons,
    nat: natFrom(context, beacons),
    ipv4: reaches(4, routes, own),
    ipv6: reaches(6, routes, own),
    uplink: await uplinkOf(routes),
    tunnelMtu: client?.kind === 'client' ? client.mtu : null,
    pathMtus,
    wireguard: context.wireguard,
  };
  return { ...facts, advice: adviceOn(facts) };
}

/** A beacon that answers hears this host, whatever it knows so far. */
function natFrom({ sighting, items }: NetcheckContext, beacons: Netcheck['beacons']): Netcheck['nat'] {
  const nat = natOf(sighting, items);
  return nat.kind === 'blocked' && beacons.some(({ answers }) => answers) ? { ...nat, kind: 'unknown' } : nat;
}

/**
 * WireGuard itself speaks to the beacons all the time, so they need not be asked. Its first handshake may come before the
 * beacon knows a device that has just enrolled, and it tries again after five seconds: until then silence says nothing.
 */
async function askBeacons({ items, handshakes, sighting }: NetcheckContext): Promise<Netcheck['beacons']> {
  const patientUntil = performance.now() + (sighting !== null && sighting.liveMs < settledMs ? retryMs : 0);
  for (;;) {
    const beacons = beaconsOf(items, await handshakes(), Date.now());
    const isSilent = beacons.length > 0 && beacons.every(({ answers }) => !answers);
    if (!isSilent || performance.now() >= patientUntil) return beacons;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** How long after it connected a device may still wait for the beacon, and for how long it is worth waiting. */
const settledMs = 15_000;
const retryMs = 7_000;

function beaconsOf(items: NetcheckContext['items'], handshakes: Handshakes, now: number): Netcheck['beacons'] {
  return [...items.values()].flatMap((item) => {
    if (item.kind !== 'beacon' || item.endpoint === null) return [];
    const last = handshakes.get(item.publicKey) ?? null;
    return [{ endpoint: item.endpoint, answers: last !== null && now - last < handshakeMs }];
  });
}

/** WireGuard makes a new handshake every two minutes while it sends; a try takes up to 90 seconds. */
const handshakeMs = 210_000;

async function measureRelays(items: NetcheckContext['items']): Promise<Netcheck['relays']> {
  const points = [...items.values()].filter((item): item is RelayPointItem => item.kind === 'relay-point');
  const meter = new RelayMeter();
  const found = await Promise.all(
    points.map(async ({ id, endpoint }) => {
      const rttMs = await meter.measure(endpoint);
      const name = gatewayName(id, items);
      return { gateway: id, name: name === id ? null : name, endpoint, rttMs: rttMs && Math.round(rttMs * 100) / 100 };
    }),
  );
  meter.close();
  return found;
}

/** A default route, or an address of more than local meaning beside the tunnel's own. */
function reaches(family: 4 | 6, routes: readonly DefaultRoute[], own: string): boolean {
  if (routes.some((route) => route.family === family)) return true;
  return Object.entries(networkInterfaces()).some(
    ([name, list]) =>
      name !== own &&
      (list ?? []).some(
        (entry) => entry.family === `IPv${family}` && !entry.internal && !/^(fe80:|169\.254\.)/i.test(entry.address),
      ),
  );
}

async function uplinkOf(routes: readonly DefaultRoute[]): Promise<Netcheck['uplink']> {
  const [best] = [...routes].sort((a, b) => a.family - b.family || a.metric - b.metric);
  if (best === undefined) return null;
  const text = await readFile(`/sys/class/net/${best.interface}/mtu`, 'utf8').catch(() => '');
  const address = networkInterfaces()[best.interface]?.find(({ family }) => family === `IPv${best.family}`)?.address;
  return { interface: best.interface, mtu: Number(text.trim()) || 0, source: address ?? null };
}
