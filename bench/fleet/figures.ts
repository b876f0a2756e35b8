import { loadavg } from 'node:os';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { Cleanup } from '@sallyport/testkit';
import { type AmountResult, median } from '../harness.ts';
import { Fleet, type Spread } from './fleet.ts';

/** Agents of the benchmark, and of the small fleet beside which a change of one device is measured. */
const agents = Number(process.env.FLEET_AGENTS ?? 10_000);
const whole = { gateways: 20, devices: agents - 20 };
const small = { gateways: 20, devices: 80 };

/** Times that agents get to settle after a change, milliseconds. */
const calmMs = 2_000;
const idleMs = 20_000;
/** Time for each agent to come back. Only a machine that does other work needs so long. */
const patienceMs = 60;

/**
 * Measures simulated agents on one controller: 10,000, or as many as FLEET_AGENTS says. The simulators share the machine.
 * Says on standard error what is done, and how many programs wanted the processor meanwhile.
 */
export async function fleet(rounds: number): Promise<AmountResult[]> {
  const ofSmall = await withFleet(small, (one) => changesOfOne(one, rounds));
  say('the small fleet is measured');
  return withFleet(whole, async (many) => {
    const { enrol, memory } = many.setUp;
    say(`${count} agents are enrolled`);
    const one = await changesOfOne(many, rounds);
    say('changes of one device are measured');
    const everyone = await repeated(rounds, () => many.toggle());
    say('changes that concern everybody are measured');
    const storm = await crash(many);
    say('all agents are back after kill -9');
    await pause(calmMs);
    const { share: idle, resident } = await many.idle(idleMs);
    const ratio = median(one) / median(ofSmall);
    return [
      figure(`controller CPU of a change of one device, at ${count} agents over at 100`, '', [ratio], 1.2),
      figure(`a change that concerns ${count} agents: last gateway told`, 'ms', all(everyone, 'lastGatewayMs'), 150),
      figure(`a change that concerns ${count} agents: stall of the event loop`, 'ms', all(everyone, 'stallMs'), 50),
      figure('the same, in processor time', 'ms', all(everyone, 'heldMs'), 50),
      figure(`kill -9 until ${count} agents are live and acknowledged`, 's', [storm.seconds], 10),
      figure('the same, controller CPU', 's', [storm.cpu], 10),
      figure('worst stall of the event loop meanwhile', 'ms', [storm.stallMs], 50),
      figure('the same, in processor time', 'ms', [storm.heldMs], 50),
      figure('resident memory of the controller per agent, after enrolment', 'kB', [memory / 1_000], 25),
      figure('the same, idle after kill -9', 'kB', [(resident - storm.resident) / agents / 1_000], 25),
      figure(`idle controller with ${count} agents`, '% of a core', [idle * 100], 2),
      figure(`enrolment of ${count} agents, controller CPU`, 's', [enrol], 30),
    ];
  });
}

const count = agents.toLocaleString('en');

function say(text: string): void {
  const seconds = Math.round(performance.now() / 1_000);
  process.stderr.write(`${seconds} s: ${text} (load ${(loadavg()[0] ?? 0).toFixed(1)})\n`);
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

interface Storm {
  readonly seconds: number;
  readonly stallMs: number;
  readonly heldMs: number;
  readonly cpu: number;
  /** Resident memory of the controller before the agents came, bytes. */
  readonly resident: number;
}

async function crash({ controller, simulators, size }: Fleet): Promise<Storm> {
  const from = performance.now();
  const { resident } = await controller.crash();
  await simulators.settled(patienceMs * (size.gateways + size.devices));
  const { stall: stallMs, held: heldMs, cpu } = await controller.usage();
  return { seconds: (performance.now() - from) / 1_000, stallMs, heldMs, cpu, resident };
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
