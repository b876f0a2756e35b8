import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { makers } from '../../apps/controller/src/testing/api.ts';
import { Browser, signInOwner } from '../../apps/controller/src/testing/browser.ts';
import { serverOfFile, twoControllers } from './fixtures.ts';

const postgres = serverOfFile();

async function open(t: TestContext) {
  const two = await twoControllers(t, postgres.server);
  return { ...two, key: two.a.tenant.key };
}

test('what one replica revokes, another one refuses at once', async (t) => {
  const { a, b } = await open(t);
  const made = await a.request('POST', '/tenants/api-keys', { body: { name: 'ci', role: 'ADMIN' } });
  const { key } = made.json;
  const atB = (path = '/tenants/groups') => b.request('GET', path, { key });
  assert.equal((await atB()).status, 200);
  assert.equal((await a.request('DELETE', `/tenants/api-keys/${made.json.id}`)).status, 204);
  assert.equal((await atB()).status, 401, 'a key');

  const owner = await signInOwner(a);
  const elsewhere = new Browser(b);
  elsewhere.token = owner.token;
  await elsewhere.ok('GET', '/tenants/me');
  await owner.ok('DELETE', '/tenants/me/session');
  assert.equal((await elsewhere.request('GET', '/tenants/me')).status, 401, 'a session');
});

test('a client that writes through one replica reads its write through another', async (t) => {
  const { a, b, key } = await open(t);
  const gateways = async () => (await b.request('GET', '/tenants/gateways', { key })).json;
  const devices = async (query = '') => (await b.request('GET', `/tenants/devices${query}`, { key })).json;
  const names = (list: { name: string }[]) => list.map(({ name }) => name);
  assert.deepEqual(names(await gateways()), []);
  assert.deepEqual(names((await devices()).data), []);
  const make = makers(a);
  for (const name of ['one', 'two', 'three']) {
    const gateway = await make.gateway(name);
    assert.ok(names(await gateways()).includes(name));
    await make.device(name);
    assert.ok(names((await devices()).data).includes(name));
    assert.ok(names((await devices('?fields=summary')).data).includes(name));
    const body = { name: `${name} again`, wireguardPort: '51820' };
    assert.equal((await a.request('PATCH', `/tenants/gateways/${gateway.id}`, { body })).status, 200);
    assert.ok(names(await gateways()).includes(`${name} again`));
    const explained = await b.request('GET', `/tenants/gateways/${gateway.id}`, { key });
    assert.equal(explained.json.name, `${name} again`);
  }
});

test('moments of use that replicas note never go back', async (t) => {
  const { a, b, clock, key } = await open(t);
  await a.request('GET', '/tenants/groups', { key });
  const [early, late] = [clock.now, clock.now + 60_000];
  clock.now = late;
  await b.request('GET', '/tenants/groups', { key });
  await b.app.maintain();
  await a.app.maintain();
  const rows = await a.store.db.selectFrom('api_keys').select('last_used_at').execute();
  assert.ok(early < late && rows.some(({ last_used_at }) => last_used_at === late));
});
