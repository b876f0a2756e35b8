import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { bySystem } from '../db/contexts.ts';
import { scoped } from '../db/scoped.ts';
import { readResources } from '../runtime/world-rows.ts';
import { makers, revisionOf } from '../testing/api.ts';
import { openTestApp, openTestStore, TestClock } from '../testing/harness.ts';
import { NameGiver } from './name-requests.ts';
import { restMs } from './virtual.ts';

async function open(t: TestContext) {
  const clock = new TestClock();
  const store = await openTestStore(t, clock);
  const app = await openTestApp(t, { store });
  const make = makers(app);
  const tenant = app.tenant.id;
  const { id: web } = await make.protocol('443');
  const berlin = await make.gateway('Berlin', { network: 'Berlin' });
  const paris = await make.gateway('Paris', { network: 'paris' });
  const resource = async (name: string, address: string, gateways: readonly string[]) => {
    const { id } = await make.resource(name, [{ address, protocols: [web] }]);
    if (gateways.length > 0) await make.attach(id, gateways);
    return id;
  };
  const patch = async (id: string, network: string | null) => {
    const body = { name: id === berlin.id ? 'Berlin' : 'Paris', wireguardPort: '51820', network };
    const answer = await app.request('PATCH', `/tenants/gateways/${id}`, { body });
    assert.equal(answer.status, 200);
    return answer.json;
  };
  const short = (id: string) => (id === berlin.id ? 'berlin' : id === paris.id ? 'paris' : id);
  /** By resource: the number of each name, and the gateways that carry it where not all do. */
  const world = async () => {
    const all = await readResources(scoped(store.db, tenant));
    const shown = all.map(({ name, addresses }) => [
      name,
      addresses.flatMap(({ name, prefix, gateways }) =>
        name === undefined || prefix.includes(':')
          ? []
          : [[name, prefix.replace(/^100\.96\.0\.(\d+)\/32$/, '$1'), ...(gateways ?? ['all']).map(short)].join(' ')],
      ),
    ]);
    return Object.fromEntries(shown);
  };
  return { app, clock, store, tenant, make, berlin: berlin.id, paris: paris.id, resource, patch, world };
}

test('a name has an address in each network of its gateways', async (t) => {
  const { make, berlin, paris, resource, patch, world } = await open(t);
  const third = await make.gateway('Third', { network: 'berlin' });
  const wiki = await resource('wiki', 'wiki.corp', [berlin, paris]);
  assert.deepEqual(await world(), { wiki: ['wiki.corp 2 berlin', 'wiki.corp 3 paris'] });
  await make.attach(wiki, [berlin, third.id]);
  assert.deepEqual(await world(), { wiki: ['wiki.corp 2 all'] }, 'one network, one address');
  await resource('other', 'wiki.corp', [paris]);
  assert.deepEqual(await world(), { wiki: ['wiki.corp 2 all'], other: ['wiki.corp 3 all'] }, 'the address of before');
  await patch(paris, 'BERLIN');
  assert.deepEqual(await world(), { wiki: ['wiki.corp 2 all'], other: ['wiki.corp 2 all'] });
});

test('a changed network moves the names of a gateway, and the former addresses rest', async (t) => {
  const { clock, store, berlin, resource, patch, world } = await open(t);
  await resource('wiki', 'wiki.corp', [berlin]);
  await resource('corp', '*.corp', [berlin]);
  const before = { wiki: ['wiki.corp 2 all'], corp: ['*.corp 4 all', 'wiki.corp 2 all'] };
  assert.deepEqual(await world(), before);
  assert.equal((await patch(berlin, 'hamburg')).network, 'hamburg');
  assert.deepEqual(await world(), { wiki: ['wiki.corp 6 all'], corp: ['*.corp 5 all', 'wiki.corp 6 all'] });
  const resting = await store.db
    .selectFrom('virtual_addresses')
    .select('rests_until')
    .where('number', '=', 2)
    .execute();
  assert.deepEqual(
    resting.map((row) => row.rests_until),
    [clock.now + restMs],
  );
  assert.equal((await patch(berlin, 'berlin')).network, 'berlin');
  assert.deepEqual(await world(), before, 'it gets them back');
  assert.equal((await patch(berlin, null)).network, undefined);
  assert.deepEqual((await world()).wiki, ['wiki.corp 1 all'], 'the network of gateways without a label');
  const events = await store.db.selectFrom('audit_events').select('after').where('kind', '=', 'gateway').execute();
  assert.ok(
    events.some(({ after }) => after?.includes('hamburg') === true),
    'the audit trail has the network',
  );
});

test('a resource without gateways denies its name in every network', async (t) => {
  const { app, store, tenant, berlin, paris, resource, world } = await open(t);
  const secret = await resource('secret', 'wiki.corp', []);
  const before = await revisionOf(app);
  await resource('wiki', 'wiki.corp', [berlin, paris]);
  assert.deepEqual(await world(), {
    secret: ['wiki.corp 1 all', 'wiki.corp 2 all', 'wiki.corp 3 all'],
    wiki: ['wiki.corp 2 berlin', 'wiki.corp 3 paris'],
  });
  const log = scoped(store.db, tenant).selectFrom('change_log').select('object_id').where('revision', '>', before);
  assert.ok(
    (await log.execute()).some((row) => row.object_id === secret),
    'agents learn it',
  );
});

test('the end of a gateway ends its addresses', async (t) => {
  const { app, berlin, paris, resource, world } = await open(t);
  await resource('wiki', 'wiki.corp', [berlin, paris]);
  assert.equal((await app.request('DELETE', `/tenants/gateways/${paris}`)).status, 204);
  assert.deepEqual(await world(), { wiki: ['wiki.corp 2 all'] });
});

test('a name under a wildcard gets the address of the network whose gateway asks', async (t) => {
  const { store, tenant, berlin, paris, resource, world } = await open(t);
  await resource('corp', '*.corp', [berlin, paris]);
  const warn = (facts: object, text: string) => assert.fail(`${text} ${JSON.stringify(facts)}`);
  const spending = { share: () => () => undefined };
  const giver = new NameGiver({ store, publicHost: async () => null, mostNames: 100, log: { warn }, spending });
  const ask = (id: string) => giver.ask({ role: 'gateway', id, tenant }, 'new.corp', 'd1');
  assert.equal(await ask(paris), 'given');
  const own = ['*.corp 2 berlin', '*.corp 3 paris'];
  assert.deepEqual((await world()).corp, [...own, 'new.corp 4 paris']);
  assert.equal(await ask(berlin), 'given');
  assert.deepEqual((await world()).corp, [...own, 'new.corp 4 paris', 'new.corp 5 berlin']);
  const usedAt = async () => {
    const rows = store.db.selectFrom('virtual_addresses').select(['network', 'used_at']).where('name', '=', 'new.corp');
    return new Map((await rows.execute()).map((row) => [row.network, row.used_at]));
  };
  const before = await usedAt();
  giver.used({ role: 'gateway', id: berlin, tenant }, ['new.corp']);
  await store.write(bySystem(tenant, 'wait'), async () => {});
  assert.equal((await usedAt()).get('paris'), before.get('paris'));
});

test('a network is a label', async (t) => {
  const { app } = await open(t);
  const body = { name: 'x', wireguardPort: '51820', network: 'two words' };
  const refused = await app.request('POST', '/tenants/gateways', { body });
  assert.deepEqual([refused.status, refused.json.errors[0].pointer], [400, '/network']);
});

test('an explanation of a name looks at the address of each network', async (t) => {
  const { app, make, berlin, paris, resource } = await open(t);
  const wiki = await resource('wiki', 'wiki.corp', [berlin, paris]);
  const device = await make.device('laptop');
  await make.policy('wiki', { devices: [device.id], resources: [wiki] });
  const off = { name: 'Berlin', wireguardPort: '51820', intent: 'OFFLINE' };
  assert.equal((await app.request('PATCH', `/tenants/gateways/${berlin}`, { body: off })).status, 200);
  const body = { device: device.id, destination: 'wiki.corp', protocol: 'TCP', port: 443 };
  const answer = await app.request('POST', '/tenants/access/explain', { body });
  assert.equal(answer.status, 200, answer.text);
  const [found] = answer.json.answers;
  assert.deepEqual([found.allowed, found.name.virtualAddresses.length], [true, 4]);
});
