import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cleanup, PostgresServer } from '@sallyport/testkit';
import { gatewayBody } from './controller.ts';
import { type AmountResult, amount, type PairedResult, paired } from './harness.ts';
import { load, requestText } from './load.ts';
import { durable, newDatabase, newTenants } from './postgres.ts';
import { cpuMs, type RunningController, startController } from './processes.ts';
import { changesAcross } from './replica-changes.ts';

const roundMs = 1500;
/**
 * A process compiles what it runs often, and is slow until then. Four processes have four times as much to compile as one
 * has, each with a quarter of the requests.
 */
const warmMs = { one: 5_000, four: 25_000 };
const connections = 16;
const idleMs = 20_000;
/** Replicas share the port of the beacon otherwise. */
const noBeacon = { SALLYPORT_BEACON_LISTEN: 'off' };

/** Measures several controllers on one PostgreSQL database. */
export async function onReplicas(rounds: number): Promise<(PairedResult | AmountResult)[]> {
  return [
    ...(await withServer({}, (cleanup, server) => creates(cleanup, server, rounds))),
    ...(await withServer({}, async (cleanup, server) => {
      const [a, b] = await replicas(cleanup, server, 'two', 2);
      if (a === undefined || b === undefined) throw new Error('two replicas were asked for');
      return changesAcross(cleanup, a, b, rounds);
    })),
    ...(await withServer({ shared_preload_libraries: 'pg_stat_statements' }, (cleanup, server) =>
      idle(cleanup, server, rounds),
    )),
  ];
}

async function withServer<T>(
  settings: Readonly<Record<string, string>>,
  work: (cleanup: Cleanup, server: PostgresServer) => Promise<T>,
): Promise<T> {
  const cleanup = new Cleanup();
  try {
    return await work(cleanup, await PostgresServer.start(cleanup, { settings: { ...durable, ...settings } }));
  } finally {
    await cleanup.run();
  }
}

/** Starts controllers that share a new database. */
async function replicas(
  cleanup: Cleanup,
  server: PostgresServer,
  database: string,
  count: number,
): Promise<RunningController[]> {
  const shared = await newDatabase(cleanup, server, database);
  const started: RunningController[] = [];
  for (let n = 0; n < count; n++)
    started.push(await startController(cleanup, undefined, undefined, { ...shared, ...noBeacon }));
  return started;
}

/**
 * Measures creates of four tenants through four replicas, and through one that has another database for itself. First each
 * replica gets requests of all tenants, then of one.
 */
async function creates(cleanup: Cleanup, server: PostgresServer, rounds: number): Promise<PairedResult[]> {
  const alone = await replicas(cleanup, server, 'one', 1);
  const four = await replicas(cleanup, server, 'four', 4);
  const keysOf = ([first]: readonly RunningController[]) => (first === undefined ? [] : newTenants(first, four.length));
  const [one, shared] = [await keysOf(alone), await keysOf(four)];
  await createThrough(alone, () => one, warmMs.one);
  await createThrough(four, () => shared, warmMs.four);
  const single = { name: 'one replica', measure: () => createThrough(alone, () => one) };
  const compare = (how: string, keysFor: (replica: number) => readonly string[]) =>
    paired(
      `durable POST create of 4 tenants through four replicas${how}, over the same through one, 16 connections each`,
      'writes/s',
      { baseline: single, subject: { name: 'four replicas', measure: () => createThrough(four, keysFor) } },
      { rounds, atLeast: 0.8 },
    );
  return [
    await compare('', () => shared),
    await compare(', each tenant at one of them', (replica) => shared.slice(replica, replica + 1)),
  ];
}

/** Creates gateways of tenants in turns, with as many connections to each of the controllers. Returns the rate. */
async function createThrough(
  controllers: readonly RunningController[],
  keysFor: (replica: number) => readonly string[],
  durationMs = roundMs,
): Promise<number> {
  const own = connections / controllers.length;
  const rates = await Promise.all(
    controllers.map(({ port }, replica) => {
      const keys = keysFor(replica);
      let turn = replica;
      const request = (): string =>
        requestText('POST', '/tenants/gateways', { apikey: keys[turn++ % keys.length] ?? '' }, gatewayBody());
      return load({ port, connections: own, durationMs, request, expect: 201 });
    }),
  );
  return rates.reduce((sum, rate) => sum + rate, 0);
}

/** Measures what three replicas do while nothing happens. */
async function idle(cleanup: Cleanup, server: PostgresServer, rounds: number): Promise<AmountResult[]> {
  const three = await replicas(cleanup, server, 'three', 3);
  await server.sql('CREATE EXTENSION pg_stat_statements');
  const statements = async () => Number(await server.sql('SELECT sum(calls) FROM pg_stat_statements'));
  const cpus: Record<'controllers' | 'server', number[]> = { controllers: [], server: [] };
  const round = async (): Promise<number> => {
    const before = [await statements(), await cpuOfAll(three), await cpuOfServer(server)] as const;
    const from = performance.now();
    await sleep(idleMs);
    const seconds = (performance.now() - from) / 1000;
    cpus.controllers.push(((await cpuOfAll(three)) - before[1]) / seconds / three.length);
    cpus.server.push(((await cpuOfServer(server)) - before[2]) / seconds);
    return ((await statements()) - before[0]) / seconds;
  };
  // What only follows a start is over.
  await sleep(10_000);
  const taken = async (list: number[]) => list.shift() ?? Number.NaN;
  return [
    await amount('statements of three idle replicas', '/s', round, { rounds, atMost: 30 }),
    await amount('processor time of an idle replica of three', 'ms/s', () => taken(cpus.controllers), {
      rounds,
      atMost: 15,
    }),
    await amount('processor time of the server for three idle replicas', 'ms/s', () => taken(cpus.server), {
      rounds,
      atMost: 20,
    }),
  ];
}

async function cpuOfAll(controllers: readonly RunningController[]): Promise<number> {
  const each = await Promise.all(controllers.map(({ daemon }) => cpuMs(daemon.child.pid ?? 0)));
  return each.reduce((sum, one) => sum + one, 0);
}

/** Processor time of a PostgreSQL server and all of its processes, milliseconds. */
async function cpuOfServer({ folder }: PostgresServer): Promise<number> {
  const [pid = ''] = (await readFile(join(folder, 'data/postmaster.pid'), 'utf8')).split('\n');
  let sum = await cpuMs(Number(pid));
  for (const name of await readdir('/proc')) {
    const stat = /^\d+$/.test(name) ? await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '') : '';
    const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
    if (parent === pid) sum += await cpuMs(Number(name)).catch(() => 0);
  }
  return sum;
}
