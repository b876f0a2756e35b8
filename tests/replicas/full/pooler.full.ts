// Bad days of PgBouncer: it dies again and again, says nothing, leads to a former primary server. Run by npm run
// test:replicas.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cleanup, PgBouncer, PostgresServer, until } from '@sallyport/testkit';
import { openPostgres } from '../../../apps/controller/src/db/postgres/open.ts';
import type { PostgresPlaces } from '../../../apps/controller/src/db/postgres/place.ts';
import { createStore } from '../../../apps/controller/src/db/store.ts';
import { createTenant } from '../../../apps/controller/src/features/tenants/commands.ts';
import { ControllerProcess, testFolder } from '../../../apps/controller/src/testing/controller-process.ts';
import { clonePostgres, placeOf, placesOf } from '../../../apps/controller/src/testing/postgres.ts';
import { actor, made, make, Told, Writing } from '../../postgres/fixtures.ts';

const key = 'k'.repeat(40);

/** Asks a controller. */
async function ask(controller: ControllerProcess, method: string, path: string, body?: object) {
  const headers = { apikey: key, ...(body && { 'content-type': 'application/json' }) };
  const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
  const answer = await fetch(`${controller.url}${path}`, init);
  return { status: answer.status, json: await answer.json() };
}

/** Creates gateways through one controller until it is ended. */
class Creator {
  readonly acknowledged: string[] = [];
  readonly refusals: { readonly status: number; readonly code: string }[] = [];
  readonly #done: Promise<void>;
  #running = true;

  constructor(controller: ControllerProcess, name: string) {
    this.#done = this.#create(controller, name);
  }

  async more(): Promise<void> {
    const before = this.acknowledged.length;
    await until('gateways are created', () => this.acknowledged.length > before + 10);
  }

  async end(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #create(controller: ControllerProcess, name: string): Promise<void> {
    for (let n = 0; this.#running; n++) {
      const body = { name: `${name} ${n}`, wireguardPort: '51820' };
      const { status, json } = await ask(controller, 'POST', '/tenants/gateways', body);
      if (status === 201) this.acknowledged.push(body.name);
      else {
        this.refusals.push({ status, code: json.code });
        await until('it is ready', async () => (await ask(controller, 'GET', '/readyz')).status === 200);
      }
    }
  }
}

test('two controllers behind a pooler that dies under writes lose nothing that was acknowledged', async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const folder = testFolder(t);
  const server = await PostgresServer.start(cleanup);
  const pooler = await PgBouncer.start(cleanup, server);
  await server.sql('CREATE DATABASE pooled');
  const keyFile = join(folder, 'master.key');
  writeFileSync(keyFile, 'ab'.repeat(32));
  const pooled = {
    SALLYPORT_DATABASE_URL: pooler.url('pooled'),
    SALLYPORT_MASTER_KEY_FILE: keyFile,
    SALLYPORT_BOOTSTRAP_API_KEY: key,
    SALLYPORT_TENANT_QUOTAS: 'gateways=100000',
    SALLYPORT_TENANT_WRITES_PER_SECOND: '100000',
  };
  const without = await ControllerProcess.start(t, join(folder, 'without'), [], pooled);
  assert.throws(() => without.url, /a pooler is in front of .*SALLYPORT_DATABASE_DIRECT_URL/);
  const env = { ...pooled, SALLYPORT_DATABASE_DIRECT_URL: server.url('pooled') };
  const [one, two] = await Promise.all(
    ['one', 'two'].map((name) => ControllerProcess.start(t, join(folder, name), [], env)),
  );
  assert.ok(one !== undefined && two !== undefined);
  const creators = [new Creator(one, 'one'), new Creator(two, 'two')];
  const all = (work: (creator: Creator) => Promise<void>) => Promise.all(creators.map(work));
  for (let death = 1; death <= 10; death++) {
    await all((creator) => creator.more());
    await pooler.kill(death % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
    await until('both say so', async () => {
      const answers = await Promise.all([one, two].map((controller) => ask(controller, 'GET', '/readyz')));
      return answers.every(({ status }) => status === 503);
    });
    await pooler.run();
  }
  await all((creator) => creator.more());
  await all((creator) => creator.end());
  const acknowledged = creators.flatMap((creator) => creator.acknowledged);
  for (const controller of [one, two]) {
    const names = new Set<string>();
    const { json } = await ask(controller, 'GET', '/tenants/gateways?limit=100000');
    for (const { name } of json) names.add(name);
    const lost = acknowledged.filter((name) => !names.has(name));
    assert.deepEqual(lost, [], 'each acknowledged gateway is there');
    assert.equal(json.length, names.size, 'none is there twice');
  }
  const refusals = creators.flatMap((creator) => creator.refusals);
  t.diagnostic(`${acknowledged.length} created, ${refusals.length} refused`);
  assert.ok(refusals.length > 0);
  const others = refusals.filter(({ status, code }) => status !== 503 || code !== 'unavailable');
  assert.deepEqual(others, []);
  for (const controller of [one, two]) {
    assert.doesNotMatch(controller.stderr, /prepared statement|unsupported startup parameter/);
    assert.equal(await controller.kill('SIGTERM'), 0);
  }
});

async function open(places: PostgresPlaces) {
  const told = new Told();
  const db = await openPostgres(places, told);
  const store = createStore(db, db.now);
  const { tenant } = await createTenant(store, actor, 'First');
  return { told, db, store, tenant: tenant.id };
}

test('a pooler that says nothing is given up after ten seconds, and what it carried counts once', async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const server = await PostgresServer.start(cleanup);
  const pooler = await PgBouncer.start(cleanup, server);
  const { db: empty, place } = await clonePostgres(server.url());
  await empty.destroy();
  const { told, store, tenant } = await open([{ ...place, pooler: placeOf(pooler.url(place.database)) }]);
  const writing = new Writing(store, tenant);
  for (let silence = 1; silence <= 2; silence++) {
    await writing.more();
    const { length } = told.losses;
    pooler.signal('SIGSTOP');
    await until('the pooler is given up', () => told.losses.length > length && store.trouble() !== null);
    await assert.rejects(make(store, tenant, 'refused'), { code: 'unavailable' });
    pooler.signal('SIGCONT');
    await until('it is used again', () => store.trouble() === null);
  }
  await writing.more();
  await writing.end();
  assert.deepEqual(told.ends, []);
  await store.close();
});

test('a pooler that still leads to the former primary server writes nothing there, until it leads to the new one', async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const first = await PostgresServer.start(cleanup);
  const pooler = await PgBouncer.start(cleanup, first);
  const { db: empty, place } = await clonePostgres(first.url());
  await empty.destroy();
  const second = await first.standby(cleanup, 'second');
  await first.set('synchronous_standby_names', 'second');
  const way = placeOf(pooler.url(place.database));
  const [one, ...others] = placesOf(first.urlWith([second], place.database));
  const { told, db, store, tenant } = await open([
    { ...one, pooler: way },
    ...others.map((each) => ({ ...each, pooler: way })),
  ]);
  await make(store, tenant, 'made before');
  // The former server goes on, and would take writes.
  await second.promote();
  await first.set('synchronous_standby_names', '');
  await first.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 23057");
  await until('the session is at the other server', () => told.moves.length > 0);
  await until('the pooler is found astray', () => /leads to another server/.test(String(store.trouble())));
  const count = () => first.sql("SELECT count(*) FROM protocols WHERE name LIKE 'made%'", place.database);
  await assert.rejects(make(store, tenant, 'made nowhere'), { code: 'unavailable' });
  pooler.configure(second);
  pooler.signal('SIGHUP');
  await until('the pooler is used again', () => store.trouble() === null);
  await make(store, tenant, 'made after');
  assert.deepEqual((await made(store, tenant)).sort(), ['made after', 'made before']);
  assert.equal(await count(), '1', 'nothing was written at the former server');
  assert.equal(db.server().timeline, 2);
  assert.deepEqual(told.ends, []);
  await store.close();
});
