import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { scoped } from '../db/scoped.ts';
import { readResources, readTenant } from '../runtime/world-rows.ts';
import { makers } from '../testing/api.ts';
import { openTestApp, openTestStore, TestClock } from '../testing/harness.ts';
import { namesRefusal, settleRangeOfNames } from './range-of-names.ts';
import { restMs } from './virtual.ts';

const overlay = '100.64.0.0/11';

async function open(t: TestContext) {
  const clock = new TestClock();
  const store = await openTestStore(t, clock);
  const app = await openTestApp(t, { store });
  const make = makers(app);
  const { id: web } = await make.protocol('443');
  const resource = (name: string) => make.resource(name, [{ address: `${name}.corp`, protocols: [web] }]);
  const settle = (range: string | null) => settleRangeOfNames(store, range, overlay);
  const addresses = async () =>
    (await readResources(scoped(store.db, app.tenant.id))).flatMap((one) => one.addresses.map(({ prefix }) => prefix));
  const refused = (range: string, text: RegExp) =>
    assert.rejects(settle(range), (error: Error) => {
      assert.equal(error.name, 'OperatorError');
      assert.match(error.message, text);
      return true;
    });
  return { app, clock, store, resource, settle, refused, addresses, tenant: app.tenant.id };
}

test('names get addresses in the range that the operator names, and the database keeps it', async (t) => {
  const { store, resource, settle, addresses, tenant } = await open(t);
  assert.equal(await settle(null), '100.96.0.0/11');
  assert.equal(await settle('10.64.0.0/12'), '10.64.0.0/12');
  assert.equal(await settle(null), '10.64.0.0/12');
  await resource('wiki');
  assert.equal((await addresses())[0], '10.64.0.1/32');
  assert.equal((await readTenant(scoped(store.db, tenant)))?.settings.overlay.names, '10.64.0.0/12');
});

test('no resource can have an address in the range, and the usual one is free then', async (t) => {
  const { app, settle } = await open(t);
  await settle('10.64.0.0/12');
  const { id: ssh } = await makers(app).protocol('22');
  const put = async (address: string) => {
    const body = { name: address, type: 'PRIVATE', addresses: [{ address, protocols: [ssh] }] };
    return (await app.request('POST', '/tenants/resources', { body })).status;
  };
  assert.deepEqual([await put('10.64.0.7'), await put('100.96.0.7')], [400, 201]);
});

test('a range in use changes only where every name keeps its address', async (t) => {
  const { app, clock, resource, settle, refused, addresses } = await open(t);
  const { id } = await resource('wiki');
  const before = await addresses();
  await refused('10.64.0.0/12', /SALLYPORT_VIRTUAL_RANGE=100\.96\.0\.0\/11/);
  assert.equal(await settle('100.96.0.0/20'), '100.96.0.0/20');
  assert.deepEqual(await addresses(), before);
  assert.equal(await settle('100.96.0.0/11'), '100.96.0.0/11');
  assert.equal((await app.request('DELETE', `/tenants/resources/${id}`)).status, 204);
  await refused('10.64.0.0/12', /1 names/);
  clock.now += restMs + 1;
  assert.equal(await settle('10.64.0.0/12'), '10.64.0.0/12');
});

test('a range over addresses of resources is refused', async (t) => {
  const { app, settle, refused } = await open(t);
  const { id: ssh } = await makers(app).protocol('22');
  const addresses = ['10.64.0.0/24', '10.65.0.1', '10.0.0.0/8', '10.66.corp'];
  await makers(app).resource(
    'lan',
    addresses.map((address) => ({ address, protocols: [ssh] })),
  );
  assert.equal(await settle('100.96.0.0/12'), '100.96.0.0/12');
  await refused('10.64.0.0/12', /there: 10\.64\.0\.0\/24, and 1 more\./);
  assert.equal(await settle(null), '100.96.0.0/12');
});

test('a smaller range gives no number beyond its end, not even one that has rested', async (t) => {
  const { app, clock, store, resource, settle, addresses } = await open(t);
  await resource('wiki');
  const { id } = await resource('far');
  await store.db.updateTable('virtual_addresses').set({ number: 5_000 }).where('name', '=', 'far.corp').execute();
  assert.equal((await app.request('DELETE', `/tenants/resources/${id}`)).status, 204);
  clock.now += restMs + 1;
  await settle('100.96.0.0/20');
  await resource('far');
  assert.deepEqual(
    (await addresses()).filter((prefix) => !prefix.includes(':')),
    ['100.96.0.1/32', '100.96.0.2/32'],
  );
});

test('a range over the overlay, or of another form, is refused', async (t) => {
  const { refused } = await open(t);
  await refused('100.64.0.0/10', /beside it/);
  for (const text of ['', '100.96.0.1/11', 'fd00::/48', '8.0.0.0/10', '10.0.0.0/9', '10.64.0.0/21'])
    assert.notEqual(namesRefusal(text), null, text);
  for (const text of ['100.96.0.0/11', '10.64.0.0/10', '198.18.0.0/20']) assert.equal(namesRefusal(text), null, text);
});
