import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Cleanup, monotonicMs, type NatBehaviour, RequestStream, until } from '@sallyport/testkit';
import { makeResource } from './administration.ts';
import type { ClientWish } from './client.ts';
import { PathsScenario } from './paths-scenario.ts';
import { temporaryFolder } from './system.ts';

const friendly = { mapping: 'endpoint-independent', filter: 'dropped' } as const;
const symmetric = { mapping: 'symmetric', filter: 'dropped' } as const;

/** A measured figure. */
export interface Figure {
  readonly name: string;
  readonly unit: 'ms' | 'ratio';
  /** One value for each round. */
  readonly values: readonly number[];
}

/** Returns the value below which this share of all values lies (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/**
 * Measures a failover. A native device sends a series of requests; the host of its gateway, or the LAN, is cut off
 * silently. The result is milliseconds from before the cut to the answer, through the other gateway, of a request
 * started after it.
 */
export async function failover(rounds: number, tell: (line: string) => void): Promise<Figure[]> {
  const s = await PathsScenario.create({
    nats: { home: {} },
    hosts: { laptop: 'home', east: 'internet', west: 'internet' },
    lans: { office: ['east', 'west'] },
    gateways: { east: { endpoint: true }, west: { endpoint: true } },
  });
  try {
    await s.open('office', ['east', 'west'], { mode: 'AUTOMATIC' });
    const laptop = await s.clientUp('laptop');
    const stream = await RequestStream.start(laptop.host, s.url('office'), { everyMs: 20, timeoutMs: 400 });
    const run = async (name: string, cut: (gateway: 'east' | 'west') => Promise<void>): Promise<Figure> => {
      const values: number[] = [];
      for (let round = 0; round < rounds; round++) {
        await laptop.is(
          'both gateways fit',
          ({ routes }) =>
            routes.every(
              (route) => route.gateways.length === 2 && route.gateways.every(({ against }) => against === null),
            ),
          60_000,
        );
        const carrier = await calm(stream);
        const east = carrier === s.lab.lanAddress('east');
        const [lost, other] = east ? (['east', 'west'] as const) : (['west', 'east'] as const);
        const from = monotonicMs();
        await cut(lost);
        const { at, ms } = await stream.answered(from, s.lab.lanAddress(other), 30_000);
        values.push(at + ms - from);
        tell(`${name}, round ${round + 1}: ${Math.round(at + ms - from)} ms`);
        await s.lab.restore(lost);
      }
      return { name, unit: 'ms', values };
    };
    return [
      await run('gateway host cut off', (gateway) => s.lab.cut(gateway)),
      await run('LAN behind the gateway cut off', (gateway) => s.lab.cutLan(gateway)),
    ];
  } finally {
    await s.cleanup.run();
  }
}

/**
 * Measures the client of an enrolled device, from before the start of its process to the first answer through the
 * tunnel: that of this checkout, and that of a package built from it.
 */
export async function start(rounds: number, tell: (line: string) => void): Promise<Figure[]> {
  const s = await PathsScenario.create({
    nats: { home: {} },
    hosts: { laptop: 'home', east: 'internet' },
    lans: { office: ['east'] },
    gateways: { east: { endpoint: true } },
  });
  try {
    await s.open('office', ['east']);
    await s.converged();
    const stream = await RequestStream.start(await s.lab.host('laptop'), s.url('office'), {
      everyMs: 20,
      timeoutMs: 200,
    });
    const run = async (name: string, wish: ClientWish): Promise<Figure> => {
      const values: number[] = [];
      const began = monotonicMs();
      const laptop = await s.clientUp('laptop', wish);
      await stream.answered(began);
      // A start fills the compile cache two seconds later.
      await sleep(4_000);
      for (let round = 0; round < rounds; round++) {
        await laptop.down();
        const from = monotonicMs();
        laptop.start();
        const { at, ms } = await stream.answered(from);
        values.push(at + ms - from);
        tell(`${name}, round ${round + 1}: ${Math.round(at + ms - from)} ms`);
      }
      await laptop.down();
      return { name, unit: 'ms', values };
    };
    return [
      await run('start of the client until the first answer, package', { built: await buildPackage(s.cleanup) }),
      await run('start of the client until the first answer, checkout', {}),
    ];
  } finally {
    await s.cleanup.run();
  }
}

/** Builds the package without its archive, and returns its folder. */
async function buildPackage(cleanup: Cleanup): Promise<string> {
  const folder = await temporaryFolder(cleanup);
  const build = fileURLToPath(new URL('../../build/main.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [build, '--no-archive', '--out', folder]);
  return stdout.trim();
}

/**
 * Measures device and gateway behind a NAT each, from the client's connection to the controller to the first direct
 * answer.
 */
export async function direct(rounds: number, tell: (line: string) => void): Promise<Figure[]> {
  const s = await twoNats(friendly);
  try {
    const values: number[] = [];
    const laptop = await s.clientUp('laptop');
    const stream = await RequestStream.start(laptop.host, s.url('office'), { everyMs: 20, timeoutMs: 200 });
    await stream.answered(0);
    for (let round = 0; round < rounds; round++) {
      await laptop.down();
      const discovered = async () => {
        const { discoveredEndpoint } = await s.controller.call('getGateway', { params: { id: s.gateway('gate').id } });
        return discoveredEndpoint;
      };
      const before = await discovered();
      await Promise.all([s.lab.nat('home').rebind(), s.lab.nat('site').rebind()]);
      await until('the gateway’s new endpoint', async () => (await discovered()) !== before, { timeoutMs: 60_000 });
      laptop.start();
      await laptop.is('connected', ({ controller, revision }) => controller.connected && revision !== null);
      const ready = monotonicMs();
      await laptop.is('a direct path', ({ gateways }) =>
        gateways.some(({ name, path }) => name === 'gate' && path === 'direct'),
      );
      const directAt = monotonicMs();
      const { at, ms } = await stream.answered(ready);
      values.push(Math.max(at + ms, directAt) - ready);
      tell(`direct, round ${round + 1}: ${Math.round(values.at(-1) ?? 0)} ms`);
    }
    return [{ name: 'direct tunnel between two NATs', unit: 'ms', values }];
  } finally {
    await s.cleanup.run();
  }
}

/** Measures TCP throughput through a relay against a direct path, alternating in the same lab. Needs iperf3. */
export async function relay(rounds: number, tell: (line: string) => void): Promise<Figure[]> {
  const s = await twoNats(symmetric);
  try {
    const server = s.lab.address('office-web');
    const laptop = await s.clientUp('laptop');
    const wish = { name: 'iperf3', addresses: [server], ports: ['TCP 5201'], gateways: [s.gateway('gate').id] };
    await s.policy('everybody to iperf3', { allDevices: true, resources: [await makeResource(s.controller, wish)] });
    await s.converged();
    await s.lab.space('office-web').exec('iperf3', '-s', '-D');
    const values: number[] = [];
    const through = async (path: 'direct' | 'relayed'): Promise<number> => {
      await s.lab.nat('site').become(path === 'direct' ? friendly : symmetric);
      await laptop.is(path, ({ gateways }) => gateways.some((g) => g.name === 'gate' && g.path === path), 120_000);
      const text = await s.lab.space('laptop').exec('iperf3', '-J', '-c', server, '-t', '4', '-O', '1');
      return (JSON.parse(text) as { end: { sum_received: { bits_per_second: number } } }).end.sum_received
        .bits_per_second;
    };
    for (let round = 0; round < rounds; round++) {
      const [relayed, directly] = [await through('relayed'), await through('direct')];
      values.push(relayed / directly);
      tell(`relay, round ${round + 1}: ${Math.round(relayed / 1e6)} of ${Math.round(directly / 1e6)} Mbit/s`);
    }
    return [{ name: 'throughput through a relay over direct', unit: 'ratio', values }];
  } finally {
    await s.cleanup.run();
  }
}

async function twoNats(site: NatBehaviour): Promise<PathsScenario<'laptop' | 'gate' | 'hub'>> {
  const s = await PathsScenario.create({
    nats: { home: friendly, site },
    hosts: { laptop: 'home', gate: 'site', hub: 'internet' },
    lans: { office: ['gate'] },
    gateways: { gate: {}, hub: { endpoint: true, relay: true } },
  });
  await s.open('office', ['gate']);
  await s.converged();
  return s;
}

/** Waits for a second of answers without a failure, all by one gateway, and returns its address. */
async function calm(stream: RequestStream): Promise<string> {
  const since = monotonicMs();
  return until(
    'calm',
    async () => {
      const samples = await stream.samples();
      const newest = samples.at(-1);
      const recent = samples.filter(({ at }) => at >= since && at > (newest?.at ?? 0) - 1000);
      const calm =
        recent.length > 10 && (newest?.at ?? 0) > since + 1000 && recent.every(({ body }) => body === newest?.body);
      return calm ? (newest?.body ?? null) : null;
    },
    { timeoutMs: 120_000 },
  );
}
