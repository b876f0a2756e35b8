import { type NatBehaviour, outageOf, RequestStream, until } from '@sallyport/testkit';
import { PathsScenario } from './paths-scenario.ts';

/** A context of a test that cleans up. */
interface Cleaned {
  after(step: () => Promise<void>): void;
}

type Mode = 'MANUAL' | 'AUTOMATIC';

/** NATs by their mapping and filter. */
export const nats = {
  friendly: { mapping: 'endpoint-independent', filter: 'dropped' },
  open: { mapping: 'endpoint-independent', filter: 'open' },
  perAddress: { mapping: 'address-dependent', filter: 'dropped' },
  symmetric: { mapping: 'symmetric', filter: 'dropped' },
} as const satisfies Record<string, NatBehaviour>;

/** Two gateways in one LAN, a third one that relays, and devices behind a NAT. */
export async function threeGateways(t: Cleaned, mode: Mode = 'MANUAL') {
  const s = await PathsScenario.create({
    nats: { home: {} },
    hosts: { laptop: 'home', plain: 'home', east: 'internet', west: 'internet', hub: 'internet' },
    lans: { office: ['east', 'west'] },
    gateways: { east: { endpoint: true }, west: { endpoint: true }, hub: { endpoint: true, relay: true } },
  });
  t.after(() => s.cleanup.run());
  const resource = await s.open('office', ['east', 'west'], { mode });
  const via = { east: s.lab.lanAddress('east'), west: s.lab.lanAddress('west') };
  return { s, resource, via };
}

/** The same with a native device, paths to all gateways, and running requests. */
export async function gatewayPair(t: Cleaned, mode: Mode = 'MANUAL') {
  const { s, resource, via } = await threeGateways(t, mode);
  const laptop = await s.clientUp('laptop');
  const stream = await RequestStream.start(laptop.host, s.url('office'), { everyMs: 25, timeoutMs: 400 });
  // The first packet of a path waits for its handshake. Until its time is forgotten, the gateway looks far away.
  const isNear = ({ rttMs }: { rttMs: number | null }) => rttMs !== null && rttMs < alikeMs;
  await laptop.is(
    'direct paths to two gateways that are alike',
    ({ gateways }) => gateways.filter((gateway) => gateway.path === 'direct' && isNear(gateway)).length >= 2,
  );
  return { s, resource, via, laptop, stream };
}

/** Gateways that answer sooner are alike to a device: see "Which gateway carries a route" in docs/paths.md. */
const alikeMs = 20;

/**
 * Returns which gateways answered requests since a moment. A request that a busy machine leaves without an answer tells
 * nothing about the carrier.
 */
export async function answersSince(stream: RequestStream, since: number): Promise<(string | undefined)[]> {
  const answers = (await stream.samples()).filter(({ at, body }) => at >= since && body !== undefined);
  return [...new Set(answers.map(({ body }) => body))];
}

/** A device and a gateway behind a NAT each, and a relaying gateway with a public address. */
export async function twoNats(t: Cleaned, home: NatBehaviour, site: NatBehaviour) {
  const s = await PathsScenario.create({
    nats: { home, site },
    hosts: { laptop: 'home', gate: 'site', hub: 'internet' },
    lans: { office: ['gate'] },
    gateways: { gate: {}, hub: { endpoint: true, relay: true } },
  });
  t.after(() => s.cleanup.run());
  await s.open('office', ['gate']);
  await s.converged();
  const laptop = await s.clientUp('laptop');
  const stream = await RequestStream.start(laptop.host, s.url('office'), { everyMs: 30, timeoutMs: 500 });
  const pathIs = (path: 'direct' | 'relayed', timeoutMs = 60_000) =>
    laptop.is(
      `a ${path} path`,
      ({ gateways }) => gateways.find(({ name }) => name === 'gate')?.path === path,
      timeoutMs,
    );
  return { s, laptop, stream, pathIs };
}

/** Describes a NAT for the name of a test. */
export const natNamed = ({ mapping, filter }: NatBehaviour): string => `${mapping} (${filter})`;

/** Waits until answers arrive for a second without a failure, and returns the length of the outage. */
export async function healed(stream: RequestStream, since: number): Promise<{ ms: number }> {
  return until(
    'answers for a second',
    async () => {
      const samples = await stream.samples();
      const { ms } = outageOf(samples, since);
      const last = samples.findLast(({ body }) => body !== undefined);
      return ms !== null && last !== undefined && last.at > since + ms + 1000 ? { ms } : null;
    },
    { timeoutMs: 45_000 },
  );
}
