// Runs one long history of the model of replicas. Run by scripts/sim.sh.
import { randomInt } from 'node:crypto';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { Cleanup, PostgresServer, runStoppable } from '@sallyport/testkit';
import { clonePostgres } from '../../../apps/controller/src/testing/postgres.ts';
import { LiveSurroundings } from './live.ts';
import { runModel } from './model.ts';
import { SimulatedSurroundings } from './simulated.ts';

const help = `npm run sim -- [--steps N] [--seed S] [--replicas R] [--real]

  --steps N     writes, failures and repairs, all together (default 2000)
  --seed S      where the history begins; a failure names it (default: random)
  --replicas R  2 to 4 (default 3)
  --real        real time and real notifications; sessions of the database end, and its server restarts

Replicas of the controller share a PostgreSQL server of the run. The network between them and the time are simulated,
unless they are real.
The run fails when an acknowledged write is missing, a revision is missing, something deleted comes back, an agent does
something that was never committed, or an agent does not end in the state of its rows.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      steps: { type: 'string', default: '2000' },
      seed: { type: 'string' },
      replicas: { type: 'string', default: '3' },
      real: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const steps = whole('steps', values.steps, 1, Number.MAX_SAFE_INTEGER);
  const replicas = whole('replicas', values.replicas, 2, 4);
  const seed = values.seed === undefined ? randomInt(2 ** 31) : whole('seed', values.seed, 0, 2 ** 31);
  const cleanup = new Cleanup();
  try {
    const server = await PostgresServer.start(cleanup);
    const { db, place } = await clonePostgres(server.url());
    await db.destroy();
    console.log(`${replicas} replicas, seed ${seed}`);
    const progress = (done: number) => console.log(`${done} steps`);
    const surroundings = values.real
      ? new LiveSurroundings(server, place, replicas)
      : new SimulatedSurroundings(server.url(place.database), replicas);
    const options = { surroundings, seed, steps, progress };
    const after = (work: () => Promise<void>) => cleanup.add(work);
    const { writes, unknown, kinds, checked, connections } = await runModel({ after }, options);
    console.log(`passed: ${writes} writes, ${unknown} without an answer, ${kinds.size} kinds of failures`);
    console.log(
      `checked: ${checked.signed} statements, ${checked.overlaps} by a former holder, ${checked.acted} acts of agents, ${connections} streams`,
    );
    return 0;
  } catch (error) {
    console.error(error);
    console.error(
      `to repeat: npm run sim -- --steps ${steps} --seed ${seed} --replicas ${replicas}${values.real ? ' --real' : ''}`,
    );
    return 1;
  } finally {
    await cleanup.run();
  }
}

function whole(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new Error(`--${option} must be a whole number of ${least} to ${most}, not ${text}`);
  return value;
}

/** Failures of a history are told where they happen: what is left is a wrong option. */
const told = (error: unknown): number => {
  console.error(error instanceof Error ? error.message : error);
  return 2;
};

process.exit(await runStoppable(process, () => main().catch(told)));
