import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { type DefaultRoute, defaultRoutes, natOf, RelayMeter, type Sighting } from '@sallyport/agent-runtime';
import type { RelayPointItem, StateItem } from '@sallyport/contract/channel';
import type { Netcheck } from '@sallyport/contract/local';
import { gatewayName } from '../state/status.ts';
import { adviceOn } from './advice.ts';
import { askController } from './controller.ts';
import type { PathMtu } from './mtu-watch.ts';

/** Dependencies of a network check. */
export interface NetcheckContext {
  /** As typed; null when unknown. */
  readonly controller: string;
  /** Certificates to trust in addition to those of the system; null for none. */
  readonly caFile?: string | null;
  /** Whether the daemon's channel is up. */
  readonly connected: boolean;
  /** The NAT as the controller reported it; null when the daemon is not connected. */
  readonly sighting: Sighting | null;
  readonly items: ReadonlyMap<string, StateItem>;
  /** Reads the last handshake of each WireGuard peer, by public key, in epoch milliseconds. */
  readonly handshakes: () => Promise<Handshakes>;
  /** Measures the path MTU to gateways; omitted when no gateway is known. */
  readonly measurePaths?: () => Promise<PathMtu[]>;
  readonly interface: string;
  readonly wireguard: Netcheck['wireguard'];
}

type Handshakes = ReadonlyMap<string, number | null>;

/** Checks the network around this device. It takes a second or two, and longer right after connecting. */
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

/** A beacon that answers hears this host, whatever it has recorded so far. */
function natFrom({ sighting, items }: NetcheckContext, beacons: Netcheck['beacons']): Netcheck['nat'] {
  const nat = natOf(sighting, items);
  return nat.kind === 'blocked' && beacons.some(({ answers }) => answers) ? { ...nat, kind: 'unknown' } : nat;
}

/**
 * Returns which beacons answer. WireGuard contacts them all the time, so no request is needed. Its first handshake can
 * precede the enrolment at the beacon; the retry comes after five seconds. Silence means nothing before that.
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

/** How long after connecting a device can still wait for the beacon, and how long the check waits for it. */
const settledMs = 15_000;
const retryMs = 7_000;

function beaconsOf(items: NetcheckContext['items'], handshakes: Handshakes, now: number): Netcheck['beacons'] {
  return [...items.values()].flatMap((item) => {
    if (item.kind !== 'beacon' || item.endpoint === null) return [];
    const last = handshakes.get(item.publicKey) ?? null;
    return [{ endpoint: item.endpoint, answers: last !== null && now - last < handshakeMs }];
  });
}

/** WireGuard makes a new handshake every two minutes while it sends; an attempt takes up to 90 seconds. */
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

/** Returns whether the host has a default route, or an address beyond local scope outside of the tunnel. */
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
