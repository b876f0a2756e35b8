import { setTimeout as pause } from 'node:timers/promises';
import { Cleanup } from '@sallyport/testkit';
import { type AmountResult, median } from '../harness.ts';
import { Fleet, type Spread } from './fleet.ts';

/** Agents of the benchmark, and of the small fleet beside which a change of one device is measured. */
const whole = { gateways: 20, devices: 9_980 };
const small = { gateways: 20, devices: 80 };

/** Times that agents get to settle after a change, milliseconds. */
const calmMs = 2_000;
const idleMs = 20_000;

/** Measures 10,000 simulated agents on one controller. The simulators share the machine. */
export async function fleet(rounds: number): Promise<AmountResult[]> {
  const ofSmall = await withFleet(small, (one) => changesOfOne(one, rounds));
  return withFleet(whole, async (many) => {
    const one = await changesOfOne(many, rounds);
    const everyone = await repeated(rounds, () => many.toggle());
    await pause(calmMs);
    const idle = await many.idle(idleMs);
    const storm = await crash(many);
    const { enrol, memory } = many.setUp;
    return [
      figure(
        'controller CPU of a change of one device, at 10,000 agents over at 100',
        '',
        [median(one) / median(ofSmall)],
        1.2,
      ),
      figure('a change that concerns 10,000 agents: last gateway told', 'ms', all(everyone, 'lastGatewayMs'), 150),
      figure('a change that concerns 10,000 agents: stall of the event loop', 'ms', all(everyone, 'stallMs'), 50),
      figure('kill -9 until 10,000 agents are live and acknowledged', 's', [storm.seconds], 10),
      figure('worst stall of the event loop meanwhile', 'ms', [storm.stallMs], 50),
      figure('resident memory of the controller per agent', 'kB', [memory / 1_000], 25),
      figure('idle controller with 10,000 agents', '% of a core', [idle * 100], 2),
      figure('enrolment of 10,000 agents, controller CPU', 's', [enrol], 30),
    ];
  });
}

async function changesOfOne(fleet: Fleet, rounds: number): Promise<number[]> {
  await fleet.changeOne();
  return (await repeated(Math.max(5, rounds), () => fleet.changeOne())).map(({ cpuMs }) => cpuMs);
}

async function repeated(rounds: number, change: () => Promise<Spread>): Promise<Spread[]> {
  const spreads: Spread[] = [];
  for (let round = 0; round < rounds; round++) {
    spreads.push(await change());
    await pause(calmMs);
  }
  return spreads;
}

async function crash({ controller, simulators }: Fleet): Promise<{ seconds: number; stallMs: number }> {
  const from = performance.now();
  await controller.crash();
  await simulators.settled();
  return { seconds: (performance.now() - from) / 1_000, stallMs: (await controller.usage()).stall };
}

const all = (spreads: readonly Spread[], field: keyof Spread) => spreads.map((spread) => spread[field]);

function figure(name: string, unit: string, rounds: readonly number[], atMost: number): AmountResult {
  const middle = median(rounds);
  const toReach = `at most ${atMost.toLocaleString('en')} ${unit}`.trim();
  return { figure: name, unit, rounds, median: middle, toReach, reached: middle <= atMost };
}

async function withFleet<T>(size: typeof whole, work: (fleet: Fleet) => Promise<T>): Promise<T> {
  const cleanup = new Cleanup();
  try {
    return await work(await Fleet.start(cleanup, size, false));
  } finally {
    await cleanup.run();
  }
}
