import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { bySystem } from '../db/contexts.ts';
import { scoped } from '../db/scoped.ts';
import { readResources } from '../runtime/world-rows.ts';
import { makers } from '../testing/api.ts';
import { openTestApp, openTestStore, TestClock } from '../testing/harness.ts';
import { forgetUnusedNames, lateMs } from './asked-names.ts';
import { NameGiver } from './name-requests.ts';
import { restMs } from './virtual.ts';

async function open(t: TestContext, mostNames = 1_000) {
  const clock = new TestClock();
  const store = await openTestStore(t, clock);
  const app = await openTestApp(t, { store });
  const make = makers(app);
  const tenant = app.tenant.id;
  const { id: web } = await make.protocol('443');
  const gateway = await make.gateway('Berlin');
  const resource = (name: string, addresses: readonly string[]) =>
    make.resource(
      name,
      addresses.map((address) => ({ address, protocols: [web] })),
    );
  const warn = (facts: object, text: string) => assert.fail(`${text} ${JSON.stringify(facts)}`);
  const publicHost = async () => 'access.corp.example';
  const giver = new NameGiver({
    spending: { share: () => () => undefined },
    store,
    publicHost,
    mostNames,
    log: { warn },
  });
  const agent = { role: 'gateway', id: gateway.id, tenant } as const;
  const ask = (name: string, device = 'd1') => giver.ask(agent, name, device);
  /** By resource: the names that the world has, without the wildcards themselves. */
  const world = async () => {
    const all = await readResources(scoped(store.db, tenant));
    const named = all.map(({ name, addresses }) => {
      const v4 = addresses.filter((one) => one.name?.startsWith('*') === false && !one.prefix.includes(':'));
      return [name, v4.map((one) => `${one.name} ${one.prefix.replace('/32', '')}`).sort()] as const;
    });
    return Object.fromEntries(named.filter(([, names]) => names.length > 0));
  };
  const counts = async () => {
    const row = await scoped(store.db, tenant).selectTenant().select('revision').executeTakeFirstOrThrow();
    const events = await store.db.selectFrom('audit_events').select('action').where('tenant_id', '=', tenant).execute();
    return { revision: row.revision, events: events.length };
  };
  /** Waits for writes that are under way. */
  const settled = () => store.write(bySystem(tenant, 'wait'), async () => {});
  return { app, settled, clock, store, make, tenant, gateway, agent, giver, resource, ask, world, counts };
}

test('a name belongs to every resource whose wildcard covers it, and keeps its address', async (t) => {
  const { app, ask, world, resource, counts } = await open(t);
  await resource('one', ['*.corp.example']);
  await resource('deep', ['**.corp.example', '*.other.example']);
  const before = await counts();
  assert.equal(await ask('wiki.corp.example'), 'given');
  assert.equal(await ask('wiki.corp.example', 'd2'), 'given');
  assert.equal(await ask('a.b.corp.example'), 'given');
  assert.deepEqual(await world(), {
    one: ['wiki.corp.example 100.96.0.4'],
    deep: ['a.b.corp.example 100.96.0.5', 'wiki.corp.example 100.96.0.4'],
  });
  const after = await counts();
  assert.deepEqual(after, { revision: before.revision + 2, events: before.events }, 'no object changed');
  assert.equal((await app.request('GET', '/tenants/audit-events/verify')).json.intact, true);
});

test('a name without a wildcard, or of the controller or a gateway, gets none', async (t) => {
  const { ask, make, resource, world } = await open(t);
  await make.gateway('Paris', { endpoint: 'GW.corp.example:51820' });
  await resource('corp', ['*.corp.example']);
  const names = ['access.corp.example', 'gw.corp.example', 'a.b.corp.example', 'corp.example', 'example', 'a.example'];
  for (const name of [...names, '*.corp.example', 'WIKI.corp.example', 'a_b.corp.example', '-.corp.example', 'x'])
    assert.equal(await ask(name), 'none', name);
  assert.deepEqual(await world(), {});
});

test('an exact name of one resource is covered by the wildcard of another as long as it is there', async (t) => {
  const { app, ask, resource, world, counts } = await open(t);
  await resource('corp', ['*.corp.example']);
  const exact = await resource('wiki', ['wiki.corp.example']);
  assert.deepEqual(await world(), {
    corp: ['wiki.corp.example 100.96.0.2'],
    wiki: ['wiki.corp.example 100.96.0.2'],
  });
  const before = await counts();
  assert.equal(await ask('wiki.corp.example'), 'given');
  assert.deepEqual(await counts(), before, 'it had an address');
  assert.equal((await app.request('DELETE', `/tenants/resources/${exact.id}`)).status, 204);
  assert.deepEqual(await world(), {});
  assert.equal(await ask('wiki.corp.example'), 'given');
  assert.deepEqual(await world(), { corp: ['wiki.corp.example 100.96.0.2'] }, 'the same address');
});

test('a device gets a number of new names, and the refusal leaves one event', async (t) => {
  const { clock, ask, resource, store, giver, settled } = await open(t);
  await resource('corp', ['*.corp.example']);
  const all = await Promise.all(Array.from({ length: 300 }, (_, n) => ask(`n${n}.corp.example`)));
  assert.deepEqual([all.filter((one) => one === 'given').length, giver.counters.later], [100, 200]);
  assert.equal(await ask('n0.corp.example'), 'given', 'a known name costs nothing');
  assert.equal(await ask('other.corp.example', 'd2'), 'given', 'another device has its own budget');
  clock.now += 20_000;
  assert.equal(await ask('late.corp.example'), 'given');
  await settled();
  const events = await store.db.selectFrom('audit_events').select('after').where('action', '=', 'askName').execute();
  assert.equal(events.length, 1);
  assert.match(events[0]?.after ?? '', /"device":"d1".*more new names/);
});

test('a tenant has a number of names, and a full pool gives none', async (t) => {
  const { store, ask, resource, settled } = await open(t, 2);
  await resource('corp', ['*.corp.example']);
  const all = [await ask('a.corp.example'), await ask('b.corp.example'), await ask('c.corp.example')];
  assert.deepEqual(all, ['given', 'given', 'full']);
  await settled();
  const [event] = await store.db.selectFrom('audit_events').select('after').where('action', '=', 'askName').execute();
  assert.match(event?.after ?? '', /no address left/);
});

test('a name that no device uses for long is forgotten, and its address rests until then', async (t) => {
  const { clock, store, ask, agent, giver, resource, world } = await open(t);
  await resource('corp', ['*.corp.example']);
  await ask('used.corp.example');
  await ask('left.corp.example');
  await store.db
    .updateTable('virtual_addresses')
    .set({ number: 2 ** 21 - 2 })
    .where('name', '=', 'left.corp.example')
    .execute();
  clock.now += restMs;
  giver.used(agent, ['used.corp.example', 'unknown.corp.example', '*.corp.example']);
  assert.equal(await ask('new.corp.example'), 'full', 'both addresses rest');
  clock.now += lateMs;
  await forgetUnusedNames(store);
  assert.deepEqual(await world(), { corp: ['used.corp.example 100.96.0.2'] });
  assert.equal(await ask('new.corp.example'), 'given');
  assert.deepEqual(await world(), { corp: ['new.corp.example 100.127.255.254', 'used.corp.example 100.96.0.2'] });
});

test('requests of one tenant wait for their turn, but not any number of them', async (t) => {
  const { ask, resource } = await open(t, 5_000);
  await resource('corp', ['*.corp.example']);
  const all = await Promise.all(Array.from({ length: 2_500 }, (_, n) => ask('wiki.corp.example', `d${n}`)));
  const later = all.filter((one) => one === 'later').length;
  assert.ok(later >= 1_400 && later <= 1_600, `${later} were turned away`);
  assert.equal(all[0], 'given');
});

test('uses of as many names as a gateway keeps are all noted', async (t) => {
  const { clock, ask, agent, giver, resource, settled, store } = await open(t);
  await resource('corp', ['*.corp.example']);
  await ask('last.corp.example');
  clock.now += 1_000;
  const messages = Array.from({ length: 50 }, (_, n) => [n === 49 ? 'last.corp.example' : `n${n}.corp.example`]);
  for (const names of messages) giver.used(agent, names);
  await settled();
  const row = await store.db.selectFrom('virtual_addresses').select('used_at').where('name', '=', 'last.corp.example');
  assert.equal((await row.executeTakeFirstOrThrow()).used_at, clock.now);
});
