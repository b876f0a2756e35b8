import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import type { TestContext } from 'node:test';
import { monotonicMs, type RequestSample, RequestStream } from '@sallyport/testkit';
import { dice, pick } from '../protocol/dice.ts';
import type { ClientUnderTest } from './client.ts';
import { PathsScenario } from './paths-scenario.ts';

/** Report of a fault run. */
export interface FaultReport {
  /** The faults and their times, in seconds from the start. */
  readonly story: readonly string[];
  readonly requests: number;
  readonly failed: number;
  /** Longest time in which no started request was answered. */
  readonly longestGapMs: number;
  /** Start of that time, in seconds from the start. */
  readonly longestGapAt: number;
}

type Gateway = 'east' | 'west';
interface Fault {
  readonly name: string;
  begin(): Promise<unknown>;
  end(): Promise<unknown>;
  /** Whether the fault takes a gateway out of service. */
  readonly gateway?: Gateway;
}

/**
 * Injects random faults under continuous requests of a device behind a NAT, to a server in the LAN of two gateways.
 * Agents and client are killed; gateways, their LAN and the controller are cut off; the controller is killed. At most
 * one gateway is out of service at a time, so requests should continue. Everything is repaired at the end and must
 * converge; throws otherwise.
 */
export async function faultRun(
  s: PathsScenario<Gateway | 'laptop'>,
  { seed, durationMs, tell = () => undefined }: { seed: number; durationMs: number; tell?: (line: string) => void },
): Promise<FaultReport> {
  const client = await s.clientUp('laptop');
  const stream = await RequestStream.start(client.host, s.url('office'), { everyMs: 50, timeoutMs: 1000 });
  const from = (await stream.answered(0)).at;
  const story: string[] = [];
  const note = (line: string) => {
    story.push(`${((monotonicMs() - from) / 1000).toFixed(1)} s: ${line}`);
    tell(story.at(-1) ?? '');
  };
  const random = dice(seed);
  const faults = faultsOf(s, client);
  const active = new Set<Fault>();
  while (monotonicMs() < from + durationMs) {
    const fault = pick(random, faults);
    if (active.delete(fault)) {
      await fault.end();
      note(`${fault.name} is over`);
      // A restored gateway needs time before the other one may fail.
      if (fault.gateway !== undefined) await pause(4000);
    } else if (fault.gateway === undefined || ![...active].some((other) => other.gateway !== undefined)) {
      await fault.begin();
      active.add(fault);
      note(fault.name);
    }
    await pause(300 + random() * 4000);
  }
  for (const fault of active) await fault.end();
  note('everything is mended');
  const mended = monotonicMs();
  await Promise.all([s.online('east'), s.online('west')]);
  await s.converged();
  await client.is(
    'everything',
    (status) => status.current && status.gateways.every(({ path }) => path === 'direct'),
    90_000,
  );
  await stream.answered(mended, s.lab.lanAddress('east'), 60_000);
  note('everything has converged');
  return { story, ...summary(await stream.stop(), from) };
}

/** Requires that requests continue and all state converges through a fault run with random faults. */
export async function continuesThroughFaults(t: TestContext, durationMs: number): Promise<void> {
  const s = await faultLab();
  t.after(() => s.cleanup.run());
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  // The run itself waits for convergence.
  const { failed, requests, longestGapMs, longestGapAt, story } = await faultRun(s, { seed, durationMs });
  const gap = `longest gap ${Math.round(longestGapMs)} ms at ${longestGapAt.toFixed(1)} s`;
  t.diagnostic(`${failed} of ${requests} requests failed, ${gap}`);
  assert.ok(failed < requests / 2, `${failed} of ${requests} requests failed:\n${story.join('\n')}`);
}

/** The lab of a fault run. */
export async function faultLab(): Promise<PathsScenario<Gateway | 'laptop'>> {
  const s = await PathsScenario.create({
    nats: { home: {} },
    hosts: { laptop: 'home', east: 'internet', west: 'internet' },
    lans: { office: ['east', 'west'] },
    gateways: { east: { endpoint: true }, west: { endpoint: true } },
  });
  await s.open('office', ['east', 'west']);
  return s;
}

function faultsOf(s: PathsScenario<Gateway | 'laptop'>, client: ClientUnderTest): Fault[] {
  const { controller, lab } = s;
  const ofGateways = (['east', 'west'] as const).flatMap((gateway): Fault[] => {
    const { agent, token } = s.gateway(gateway);
    const restore = () => lab.restore(gateway);
    return [
      { name: `${gateway} is cut off`, gateway, begin: () => lab.cut(gateway), end: restore },
      { name: `${gateway} loses its cables`, gateway, begin: () => lab.cut(gateway, 'unplugged'), end: restore },
      { name: `${gateway} loses its LAN`, gateway, begin: () => lab.cutLan(gateway), end: restore },
      {
        name: `the agent of ${gateway} is killed`,
        begin: () => agent.daemon.kill('SIGKILL'),
        end: async () => agent.start(controller, token),
      },
    ];
  });
  return [
    ...ofGateways,
    {
      name: 'the controller is killed',
      begin: () => controller.daemon.kill('SIGKILL'),
      end: () => controller.start(),
    },
    {
      name: 'the controller is cut off',
      begin: () => lab.cut('controller'),
      end: () => lab.restore('controller'),
    },
    {
      name: 'the client is killed',
      begin: () => client.daemon.kill('SIGKILL'),
      end: async () => client.start(),
      // No route moves while no client runs, so no gateway may fail then.
      gateway: 'east',
    },
  ];
}

function summary(samples: readonly RequestSample[], from: number): Omit<FaultReport, 'story'> {
  const counted = samples.filter(({ at }) => at >= from).sort((a, b) => a.at - b.at);
  let last = from;
  let longest = { gap: 0, at: from };
  for (const { at, body } of counted) {
    if (body === undefined) continue;
    if (at - last > longest.gap) longest = { gap: at - last, at: last };
    last = at;
  }
  const failed = counted.filter(({ body }) => body === undefined).length;
  const longestGapAt = (longest.at - from) / 1000;
  return { requests: counted.length, failed, longestGapMs: longest.gap, longestGapAt };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
