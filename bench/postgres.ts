import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Cleanup, PostgresServer } from '@sallyport/testkit';
import { gatewayBody } from './controller.ts';
import { type PairedResult, paired } from './harness.ts';
import { load, requestText } from './load.ts';
import { apiKey, type RunningController, startController, temporaryFolder } from './processes.ts';

const run = promisify(execFile);
const roundMs = 1500;
const path = '/tenants/gateways';
const database = 'sallyport';

/** Settings as a server of an installation has them: what it acknowledges is on the disk. */
export const durable = { fsync: 'on', full_page_writes: 'on' };

/** Measures a controller on a PostgreSQL server of its own, against raw inserts and against one on the embedded database. */
export async function onPostgres(rounds: number): Promise<PairedResult[]> {
  const cleanup = new Cleanup();
  try {
    const server = await PostgresServer.start(cleanup, { settings: durable });
    const controller = await onServer(cleanup, server);
    const listed = await listing(cleanup, controller, rounds);
    const one = await creating(server, controller, [apiKey], rounds, 0.15);
    const keys = await newTenants(controller, 4);
    return [one, await creating(server, controller, keys, rounds, 0.3), listed];
  } finally {
    await cleanup.run();
  }
}

/** Starts a controller on a database of its own. */
async function onServer(cleanup: Cleanup, server: PostgresServer): Promise<RunningController> {
  return startController(cleanup, undefined, undefined, await newDatabase(cleanup, server, database));
}

/** Makes a database, and returns the settings of controllers that use it. */
export async function newDatabase(
  cleanup: Cleanup,
  server: PostgresServer,
  name: string,
): Promise<Record<string, string>> {
  await server.sql(`CREATE DATABASE ${name}`);
  const masterKey = join(await temporaryFolder(cleanup), 'master.key');
  await writeFile(masterKey, randomBytes(32).toString('hex'), { mode: 0o600 });
  return { SALLYPORT_DATABASE_URL: server.url(name), SALLYPORT_MASTER_KEY_FILE: masterKey };
}

async function creating(
  server: PostgresServer,
  { port }: RunningController,
  keys: readonly string[],
  rounds: number,
  atLeast: number,
): Promise<PairedResult> {
  for (const key of keys) await newGateway(port, key);
  const program = fileURLToPath(new URL('./raw-postgres-inserts.ts', import.meta.url));
  const raw = async (): Promise<number> => {
    const { stdout } = await run(process.execPath, [program, server.url(database), String(roundMs)]);
    return (JSON.parse(stdout) as { perSecond: number }).perSecond;
  };
  let turn = 0;
  const post = (): string => requestText('POST', path, { apikey: keys[turn++ % keys.length] ?? '' }, gatewayBody());
  const create = () => load({ port, connections: 16, durationMs: roundMs, request: post, expect: 201 });
  const who = keys.length === 1 ? 'one tenant' : `${keys.length} tenants`;
  return paired(
    `durable POST create of ${who} on PostgreSQL, over raw inserts of the same rows by \`pg\`, 16 connections each`,
    'writes/s',
    { baseline: { name: 'raw inserts', measure: raw }, subject: { name: 'controller', measure: create } },
    { rounds, atLeast },
  );
}

async function listing(cleanup: Cleanup, onPostgres: RunningController, rounds: number): Promise<PairedResult> {
  const embedded = await startController(cleanup);
  for (const { port } of [embedded, onPostgres]) for (let n = 0; n < 100; n++) await newGateway(port, apiKey);
  const get = requestText('GET', path, { apikey: apiKey });
  const measure =
    ({ port }: RunningController) =>
    () =>
      load({ port, connections: 32, durationMs: roundMs, request: () => get, expect: 200 });
  const result = await paired(
    'GET list of 100 gateways on PostgreSQL, over the same on the embedded database',
    'requests/s',
    {
      baseline: { name: 'embedded', measure: measure(embedded) },
      subject: { name: 'PostgreSQL', measure: measure(onPostgres) },
    },
    { rounds, atLeast: 0.4 },
  );
  await embedded.daemon.kill('SIGTERM');
  return result;
}

async function newGateway(port: number, key: string): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: { apikey: key, 'content-type': 'application/json' },
    body: gatewayBody(),
  });
  if (answer.status !== 201) throw new Error(await answer.text());
}

/** Makes tenants, and returns a key of each. */
export async function newTenants(controller: RunningController, count: number): Promise<string[]> {
  const keys = [];
  for (let n = 0; n < count; n++) keys.push(await newTenant(controller, `tenant ${n}`));
  return keys;
}

/** Makes a tenant over the operator's socket, and returns its key. */
async function newTenant({ dataDir }: RunningController, name: string): Promise<string> {
  const answer = await new Promise<string>((resolve, reject) => {
    const socketPath = join(dataDir, 'operator.sock');
    const headers = { 'content-type': 'application/json' };
    const sent = request({ socketPath, path: '/tenants', method: 'POST', headers }, (response) => {
      text(response).then(resolve, reject);
    });
    sent.once('error', reject);
    sent.end(JSON.stringify({ name }));
  });
  const { apiKey: made } = JSON.parse(answer) as { apiKey?: { key: string } };
  if (made === undefined) throw new Error(answer);
  return made.key;
}
