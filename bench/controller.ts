import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Cleanup, Daemon } from '@sallyport/testkit';
import { type AmountResult, amount, type PairedResult, paired } from './harness.ts';
import { load, requestText } from './load.ts';
import {
  apiKey,
  freePort,
  type RunningController,
  residentMegabytes,
  startController,
  temporaryFolder,
} from './processes.ts';

const run = promisify(execFile);
/** Returns the body of a new gateway. */
export const gatewayBody = (): string =>
  JSON.stringify({
    name: `gateway ${randomUUID()}`,
    description: 'description',
    wireguardPort: '51820',
    endpoint: 'gw.example.com',
  });

/** Measures GET of 100 gateways against a bare server that stringifies the same objects. */
export async function listing(rounds: number): Promise<PairedResult> {
  return withCleanup(async (cleanup) => {
    const { port } = await startController(cleanup);
    for (let n = 0; n < 100; n++) {
      const answer = await fetch(`http://127.0.0.1:${port}/tenants/gateways`, {
        method: 'POST',
        headers: { apikey: apiKey, 'content-type': 'application/json' },
        body: gatewayBody(),
      });
      if (answer.status !== 201) throw new Error(await answer.text());
    }
    const list = await (
      await fetch(`http://127.0.0.1:${port}/tenants/gateways`, { headers: { apikey: apiKey } })
    ).text();
    const file = join(await temporaryFolder(cleanup), 'objects.json');
    await writeFile(file, list);
    const barePort = await freePort();
    const bare = Daemon.start([fileURLToPath(new URL('./bare-server.ts', import.meta.url)), file, String(barePort)], {
      cleanup,
    });
    await bare.says(/ready/);
    const request = requestText('GET', '/tenants/gateways', { apikey: apiKey });
    const measure = (at: number) => () =>
      load({ port: at, connections: 32, durationMs: 1500, request: () => request, expect: 200 });
    return paired(
      'GET list of 100 gateways, over bare node:http that stringifies the same objects',
      'requests/s',
      {
        baseline: { name: 'bare node:http', measure: measure(barePort) },
        subject: { name: 'controller', measure: measure(port) },
      },
      { rounds, atLeast: 0.6 },
    );
  });
}

/** Measures durable creates from 16 connections against raw inserts of the same row on the same disk. */
export async function creating(rounds: number): Promise<PairedResult> {
  return withCleanup(async (cleanup) => {
    const { port } = await startController(cleanup);
    const file = join(await temporaryFolder(cleanup), 'raw.sqlite');
    const raw = async (): Promise<number> => {
      const { stdout } = await run(process.execPath, [
        fileURLToPath(new URL('./raw-inserts.ts', import.meta.url)),
        file,
        '1500',
      ]);
      return (JSON.parse(stdout) as { perSecond: number }).perSecond;
    };
    const create = () =>
      load({
        port,
        connections: 16,
        durationMs: 1500,
        request: () => requestText('POST', '/tenants/gateways', { apikey: apiKey }, gatewayBody()),
        expect: 201,
      });
    return paired(
      'durable POST create from 16 connections, over raw node:sqlite inserts with synchronous=FULL',
      'writes/s',
      {
        baseline: { name: 'raw inserts', measure: raw },
        subject: { name: 'controller', measure: create },
      },
      { rounds, atLeast: 0.35 },
    );
  });
}

/** Measures the time from `node` to ready, and the memory when idle: of the checkout, and of the package. */
export async function starting(rounds: number): Promise<AmountResult[]> {
  return withCleanup(async (cleanup) => {
    const folder = await temporaryFolder(cleanup);
    await run(process.execPath, [buildProgram, '--no-archive', '--out', folder]);
    const [name = ''] = await readdir(folder);
    const cache = await temporaryFolder(cleanup);
    const bundled = join(folder, name, 'programs/controller.js');
    return [
      ...(await startingOf('of a checkout', rounds, (own) => startController(own, undefined, cache), [1, 130])),
      ...(await startingOf('of the package', rounds, (own) => startController(own, bundled, cache), [0.3, 75])),
    ];
  });
}

const buildProgram = fileURLToPath(new URL('../build/main.ts', import.meta.url));

async function startingOf(
  what: string,
  rounds: number,
  start: (cleanup: Cleanup) => Promise<RunningController>,
  [seconds, megabytes]: [number, number],
): Promise<AmountResult[]> {
  const memory: number[] = [];
  const once = () =>
    withCleanup(async (cleanup) => {
      const { readyMs, daemon } = await start(cleanup);
      // The controller returns what only loading took after five seconds.
      await sleep(7_000);
      memory.push(await residentMegabytes(daemon.child.pid ?? 0));
      await daemon.kill('SIGTERM');
      return readyMs / 1000;
    });
  // Fills the compile cache, as the first start of an installation does.
  await once();
  memory.length = 0;
  const ready = await amount(`node start to ready, ${what}`, 's', once, { rounds, atMost: seconds });
  const idle = async () => memory.shift() ?? Number.NaN;
  const resident = await amount(`idle memory of the controller, ${what}`, 'MB', idle, { rounds, atMost: megabytes });
  return [ready, resident];
}

/** Measures one page of 100 users of 10,000, each with a device, from a random place in the list. */
export async function users(rounds: number): Promise<AmountResult> {
  return withCleanup(async (cleanup) => {
    const { port } = await startController(cleanup);
    await fillUsers(port, 10_000);
    let offset = 0;
    const request = (): string => {
      offset = (offset + 3_700) % 10_000;
      return requestText('GET', `/tenants/users?limit=100&offset=${offset}`, { apikey: apiKey });
    };
    const round = async (): Promise<number> =>
      1000 / (await load({ port, connections: 1, durationMs: 1500, request, expect: 200 }));
    await round();
    return amount('GET of 100 users of 10,000, with roles, groups and devices', 'ms', round, { rounds, atMost: 10 });
  });
}

async function fillUsers(port: number, count: number): Promise<void> {
  const groups: string[] = [];
  for (const name of ['Engineering', 'Sales', 'Support'])
    groups.push(((await call(port, 'POST', '/tenants/groups', { name, roles: [] })) as { id: string }).id);
  for (let from = 0; from < count; from += 100) {
    const body = Array.from({ length: 100 }, (_, i) => ({
      email: `user${from + i}@example.com`,
      groups: groups.slice(i % 3),
    }));
    const made = (await call(port, 'POST', '/tenants/users', body)) as { id: string }[];
    const devices = made.map(({ id }) => ({
      name: 'laptop',
      publicKey: Buffer.concat([randomBytes(31), Buffer.of(1)]).toString('base64'),
      user: id,
    }));
    await Promise.all(devices.map((device) => call(port, 'POST', '/tenants/devices', device)));
  }
}

async function call(port: number, method: string, path: string, body?: object): Promise<unknown> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { apikey: apiKey, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

async function withCleanup<T>(work: (cleanup: Cleanup) => Promise<T>): Promise<T> {
  const cleanup = new Cleanup();
  try {
    return await work(cleanup);
  } finally {
    await cleanup.run();
  }
}
