import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeRelease } from '@sallyport/release/testing';
import { until } from '@sallyport/testkit';
import type { AppDeps } from '../../apps/controller/src/app.ts';
import { asOnlyRunner } from '../../apps/controller/src/db/jobs.ts';
import type { PostgresPlace } from '../../apps/controller/src/db/postgres/place.ts';
import { MailFailure } from '../../apps/controller/src/mail/mail-server.ts';
import type { MailService } from '../../apps/controller/src/mail/types.ts';
import { present } from '../../apps/controller/src/testing/channel.ts';
import { openTestApp, type TestApp } from '../../apps/controller/src/testing/harness.ts';
import { MemoryReplicas } from '../../apps/controller/src/testing/replicas.ts';
import { openSharedStores } from '../../apps/controller/src/testing/shared-stores.ts';
import { serverOfFile, twoControllers } from './fixtures.ts';

const postgres = serverOfFile();

const open = (t: TestContext, deps: Partial<AppDeps> = {}) => twoControllers(t, postgres.server, deps);

/** A process that sends the mail and does the upkeep until it is killed. */
async function runnerElsewhere(place: PostgresPlace): Promise<ChildProcess> {
  const module = (path: string) => JSON.stringify(import.meta.resolve(`../../apps/controller/src/db/${path}`));
  const script = `const { asOnlyRunner } = await import(${module('jobs.ts')});
    const { PostgresPool } = await import(${module('postgres/pool.ts')});
    const { postgresDialect } = await import(${module('postgres/dialect.ts')});
    const { Kysely } = await import(${JSON.stringify(import.meta.resolve('kysely'))});
    const db = new Kysely({ dialect: postgresDialect(new PostgresPool(${JSON.stringify(place)}, () => true)) });
    await asOnlyRunner({ db }, 'mail', () => asOnlyRunner({ db }, 'upkeep', () => {
      console.log('runs');
      return new Promise(() => setInterval(() => {}, 1000));
    }));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  postgres.cleanup.add(async () => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

/** A mail server that notes what it was given. It takes a few turns for each mail. */
class Letters {
  readonly sent: string[] = [];
  readonly service: MailService = {
    from: 'sally@example.com',
    server: {
      send: async ({ to }) => {
        for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
        this.sent.push(to);
      },
    },
  };
}

async function invite(app: TestApp, many: number): Promise<string[]> {
  const emails = Array.from({ length: many }, (_, i) => `person${i}@example.com`);
  for (const email of emails)
    assert.equal((await app.request('POST', '/tenants/users', { body: { email, groups: [] } })).status, 201);
  return emails;
}

const waiting = async ({ store }: TestApp): Promise<number> =>
  (await store.db.selectFrom('mails').select('id').where('state', '=', 'WAITING').execute()).length;

test('two replicas that send at once send every mail once', async (t) => {
  const letters = new Letters();
  const { a, b } = await open(t, { mail: letters.service });
  const emails = await invite(a, 12);
  await until('no mail waits', async () => {
    await Promise.all([a.app.mail.deliver(), b.app.mail.deliver()]);
    return (await waiting(a)) === 0;
  });
  assert.deepEqual(letters.sent.toSorted(), emails.toSorted());
});

test('every replica says why no mail leaves, also those that do not send', async (t) => {
  let works = false;
  const mailServer: MailService['server'] = {
    send: async () => {
      if (!works) throw new MailFailure('server', 'It is down', null);
    },
  };
  const { stores, clock } = await openSharedStores(t, postgres.server.url());
  const network = new MemoryReplicas(() => clock.now);
  const deps = { mail: { from: 'sally@example.com', server: mailServer } };
  const a = await openTestApp(t, { ...deps, store: stores[0], replicas: network.join('a') });
  const b = await openTestApp(t, { ...deps, store: stores[1], replicas: network.join('b') });
  await invite(a, 1);
  await a.app.mail.deliver();
  const problem = async (app: TestApp) =>
    (await app.request('GET', '/tenants/mail', { key: a.tenant.key })).json.problem ?? null;
  await until('the other one knows', async () => (await problem(b)) === 'It is down');
  works = true;
  clock.now += 60_000;
  await until('the other one sends', async () => {
    await b.app.mail.deliver();
    return (await waiting(b)) === 0;
  });
  await until('both know', async () => (await problem(a)) === null && (await problem(b)) === null);
});

test('a replica goes on with the mails and the upkeep of one that was killed', async (t) => {
  const letters = new Letters();
  const { place, a, b, clock } = await open(t, { mail: letters.service });
  const runner = await runnerElsewhere(place);
  const emails = await invite(a, 3);
  await Promise.all([a.app.mail.deliver(), b.app.mail.deliver()]);
  assert.deepEqual(letters.sent, [], 'another process sends');
  runner.kill('SIGKILL');
  await until('no mail waits', async () => {
    await b.app.mail.deliver();
    return (await waiting(b)) === 0;
  });
  assert.deepEqual(letters.sent.toSorted(), emails);

  const next = await runnerElsewhere(place);
  const left = async () => (await a.store.db.selectFrom('mails').select('id').execute()).length;
  clock.now += 31 * 24 * 3600_000;
  await b.app.maintain();
  assert.equal(await left(), 3, 'another process does the upkeep');
  next.kill('SIGKILL');
  await until('old mails are forgotten', async () => {
    await b.app.maintain();
    return (await left()) === 0;
  });
});

test('a runner whose connection has ended stops before its next effect', async (t) => {
  const { stores, place } = await openSharedStores(t, postgres.server.url());
  const runs = asOnlyRunner(stores[0], 'mail', async (still) => {
    await still();
    assert.equal(await asOnlyRunner(stores[1], 'mail', async () => assert.fail('two at once')), false);
    await postgres.server.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
       WHERE locktype = 'advisory' AND objid = 1 AND classid = ${0x5a13} AND datname = '${place.database}'`,
    );
    await assert.rejects(still());
    assert.equal(await asOnlyRunner(stores[1], 'mail', async () => undefined), true, 'it is free');
    await assert.rejects(still(), 'also afterwards');
  });
  await assert.rejects(runs);
});

const version = '1.2.3';

function connect(apps: readonly TestApp[], id: string): void {
  const host = { hostname: 'h', os: 'Linux', kernel: '6', wireguard: 'kernel', upgrades: 'allowed' } as const;
  for (const app of apps) app.channel.presences.set(id, { ...present, agent: { version: '1.2.2', ...host } });
}

test('two replicas upgrade one gateway after the other, also when one of them is gone', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-upgrades-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await makeRelease(folder, { version, processor: 'amd64', files: { 'bin/sally': 'x' } });
  const { a, b } = await open(t, {
    ...{ version, publicUrl: 'https://controller.example.com', packages: { folder, keyFile: null } },
  });
  await Promise.all([a.app.maintain(), b.app.maintain()]);
  const ids: string[] = [];
  for (const name of ['a', 'b', 'c', 'd']) {
    const { json } = await a.request('POST', '/tenants/gateways', { body: { name, wireguardPort: '51820' } });
    ids.push(json.id);
  }
  const [first = '', second = '', third = ''] = ids;
  // Each replica knows of other agents, so each would begin with another gateway.
  connect([a], first);
  connect([a], third);
  connect([b], second);
  for (const [app, id] of [
    [a, first],
    [b, second],
    [a, third],
  ] as const)
    assert.equal(
      (await app.request('POST', `/tenants/gateways/${id}/upgrade`, { body: {}, key: a.tenant.key })).status,
      201,
    );
  await Promise.all([a.app.maintain(), b.app.maintain()]);
  const states = async () => {
    const rows = await a.store.db.selectFrom('gateways').select(['id', 'upgrade']).execute();
    return ids.slice(0, 3).map((id) => JSON.parse(rows.find((row) => row.id === id)?.upgrade ?? '{}').state);
  };
  const begun = await states();
  assert.equal(begun.filter((state) => state === 'ASKED').length, 1, begun.join(' '));

  // The replica that asked is gone: its agents come to the other one, which asks with the same request.
  const asked = [...a.channel.upgradesAsked, ...b.channel.upgradesAsked];
  const running = ids[begun.indexOf('ASKED')] ?? '';
  for (const id of ids) connect([b], id);
  a.channel.presences.clear();
  await b.app.maintain();
  const { request } = b.channel.upgradesAsked.findLast(({ gateway }) => gateway === running) ?? { request: '' };
  assert.ok(asked.every((one) => one.gateway === running && one.request === request));
  for (let round = 0; round < 3; round++) {
    const last = b.channel.upgradesAsked.at(-1);
    b.channel.upgrading(
      { role: 'gateway', id: last?.gateway ?? '', tenant: a.tenant.id },
      { request: last?.request ?? '', state: 'done' },
    );
    await b.app.maintain();
  }
  assert.deepEqual(await states(), ['DONE', 'DONE', 'DONE']);
});
