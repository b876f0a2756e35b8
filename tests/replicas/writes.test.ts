import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { until } from '@sallyport/testkit';
import { defaultQuotas, Quotas } from '../../apps/controller/src/budgets/quotas.ts';
import type { Store } from '../../apps/controller/src/db/store.ts';
import { listen, openEvents } from '../../apps/controller/src/testing/event-stream.ts';
import { openTestApp } from '../../apps/controller/src/testing/harness.ts';
import { openLive } from '../../apps/controller/src/testing/live.ts';
import { MemoryReplicas } from '../../apps/controller/src/testing/replicas.ts';
import { openSharedStores } from '../../apps/controller/src/testing/shared-stores.ts';
import { serverOfFile } from './fixtures.ts';

const postgres = serverOfFile();

/** A commit of one store is told to the other one, as replicas do. */
function join([first, second]: readonly [Store, Store]): void {
  const told = new Set<string>();
  const tell = (from: Store, to: Store) =>
    from.onCommit((notice) => {
      const name = `${notice.tenant} ${notice.revision}`;
      if (told.has(name)) return;
      told.add(name);
      setImmediate(() => to.noticed(notice));
    });
  tell(first, second);
  tell(second, first);
}

async function open(t: TestContext, quota = defaultQuotas.gateways) {
  const check = () => new Quotas({ ...defaultQuotas, gateways: quota });
  const { clock, stores } = await openSharedStores(t, postgres.server.url(), check);
  join(stores);
  const network = new MemoryReplicas(() => clock.now);
  const a = await openTestApp(t, { store: stores[0], replicas: network.join('a') });
  const b = await openTestApp(t, { store: stores[1], replicas: network.join('b') });
  return { a, b, key: a.tenant.key };
}

test('the same idempotency key at two replicas at once has one effect', async (t) => {
  const { a, b, key } = await open(t);
  for (let n = 0; n < 5; n++) {
    const options = { key, body: { name: `g${n}`, roles: [] }, headers: { 'idempotency-key': `once-${n}` } };
    const both = () => Promise.all([a, b].map((app) => app.request('POST', '/tenants/groups', options)));
    const answers = [...(await both()), ...(await both())];
    const made = answers.filter(({ status }) => status === 201);
    for (const { status, json } of answers.filter((one) => !made.includes(one)))
      assert.deepEqual([status, json.code], [409, 'idempotency_in_progress']);
    assert.equal(new Set(made.map(({ json }) => json.id)).size, 1);
    assert.equal(made.filter(({ headers }) => headers['idempotency-replayed'] === undefined).length, 1);
  }
  const { json } = await a.request('GET', '/tenants/groups?filter[name][ilike]=g%');
  assert.equal(json.total, 5);
});

test('a tenant exceeds no quota by writing through two replicas at once', async (t) => {
  const { a, b, key } = await open(t, 10);
  const create = (n: number) =>
    (n % 3 === 0 ? a : b).request('POST', '/tenants/gateways', {
      key,
      body: { name: `g${n}`, wireguardPort: '51820' },
    });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => create(n)));
  assert.equal(answers.filter(({ status }) => status === 201).length, 10);
  assert.ok(answers.every(({ status, json }) => status === 201 || json.code === 'quota_exceeded'));
  const [first] = (await a.request('GET', '/tenants/gateways')).json;
  assert.equal((await b.request('DELETE', `/tenants/gateways/${first.id}`, { key })).status, 204);
  assert.deepEqual([(await create(21)).status, (await create(22)).status].toSorted(), [201, 409]);
});

test('a key that was deleted through one replica writes nothing through another that remembers it', async (t) => {
  const { clock, stores } = await openSharedStores(t, postgres.server.url());
  const a = await openTestApp(t, { store: stores[0] });
  const b = await openTestApp(t, { store: stores[1] });
  const { json: made } = await a.request('POST', '/tenants/api-keys', { body: { name: 'k', role: 'ADMIN' } });
  const day = 24 * 3600_000;
  const { json: short } = await a.request('POST', '/tenants/api-keys', {
    body: { name: 'short', role: 'ADMIN', expiresAt: new Date(clock.now + day).toISOString() },
  });
  const group = (name: string, key: string) => b.request('POST', '/tenants/groups', { key, body: { name, roles: [] } });
  for (const { key } of [made, short]) assert.equal((await group('before', key)).status, 201);
  assert.equal((await group('again', made.key)).status, 201);
  const { json: present } = await b.request('POST', '/tenants/groups', { body: { name: 'g', roles: [] } });

  assert.equal((await a.request('DELETE', `/tenants/api-keys/${made.id}`)).status, 204);
  clock.now += day;
  const events = () => stores[0].db.selectFrom('audit_events').select('object_id').execute();
  const before = await events();
  for (const { key } of [made, short]) {
    const refused = [
      group('after', key),
      b.request('POST', '/tenants/groups', { key, body: { name: 7 } }),
      b.request('DELETE', `/tenants/groups/${present.id}`, { key }),
      b.request('DELETE', '/tenants/groups/00000000-0000-7000-8000-000000000000', { key }),
    ];
    for (const { status, json } of await Promise.all(refused))
      assert.deepEqual([status, json.code], [401, 'unauthenticated']);
  }
  assert.equal((await events()).length, before.length);
  assert.equal((await b.request('GET', `/tenants/groups/${present.id}`)).status, 200);
});

test('a key that deletes itself writes nothing behind that in the same commit', async (t) => {
  const { a, b } = await open(t);
  const body = { name: 'k', role: 'OWNER' };
  for (let n = 0; n < 5; n++) {
    const { json } = await a.request('POST', '/tenants/api-keys', { body });
    const { key } = json;
    const group = (name: string) => b.request('POST', '/tenants/groups', { key, body: { name, roles: [] } });
    assert.equal((await group('first')).status, 201);
    const deleted = b.request('DELETE', `/tenants/api-keys/${json.id}`, { key });
    const others = [group('second'), group('third')];
    assert.equal((await deleted).status, 204);
    const made = (await Promise.all(others)).filter(({ status }) => status === 201);
    const events = await a.store.db
      .selectFrom('audit_events')
      .select('action')
      .where('actor_id', '=', json.id)
      .orderBy('revision')
      .execute();
    assert.deepEqual(
      events.map(({ action }) => action),
      ['createGroup', ...made.map(() => 'createGroup'), 'deleteApiKey'],
    );
  }
});

test('a change feed goes on at another replica, and misses and repeats nothing', async (t) => {
  const { a, b, key } = await open(t);
  const urls = [await listen(a), await listen(b)];
  const seen: number[] = [];
  let last = '';
  const first = (await a.store.db.selectFrom('tenants').select('revision').where('id', '=', a.tenant.id).execute())[0];
  for (let round = 0; round < 6; round++) {
    const from = last === '' ? {} : { 'last-event-id': last };
    const stream = await openEvents(`${urls[round % 2]}/tenants/changes?since=${first?.revision}`, key, from);
    for (const app of [a, b, a])
      assert.equal((await app.request('POST', '/tenants/groups', { key, body: { name: 'g', roles: [] } })).status, 201);
    const wanted = seen.length + (round === 5 ? 3 : 2);
    while (seen.length < wanted) {
      const event = await stream.next();
      assert.ok(event !== null);
      if (event.data === undefined) continue;
      seen.push(JSON.parse(event.data).revision);
      last = event.id ?? last;
    }
    stream.close();
  }
  const expected = Array.from({ length: seen.length }, (_, n) => (first?.revision ?? 0) + 1 + n);
  assert.deepEqual(seen, expected);
});

test('a live stream of one replica takes its topics through the other, and sees what that one commits', async (t) => {
  const { a, b, key } = await open(t);
  const { json: gateway } = await a.request('POST', '/tenants/gateways', {
    key,
    body: { name: 'g', wireguardPort: '51820' },
  });
  const stream = await openLive(t, b, { as: key });
  const follow = (app: typeof a, as = key) =>
    app.request('PUT', `/tenants/live/${stream.id}`, { key: as, body: { gateways: [gateway.id] } });
  assert.equal((await follow(a, await a.key('ADMIN'))).status, 404, 'a stream of somebody else');
  assert.equal((await follow(a, a.other.key)).status, 404);
  assert.equal((await follow(a)).status, 204);
  const found = async (what: string, is: (message: NonNullable<Awaited<ReturnType<typeof stream.next>>>) => boolean) =>
    until(what, async () => {
      const message = await stream.next();
      assert.ok(message !== null);
      return is(message);
    });
  await found('the gateway', ({ gateways }) => gateways?.some(({ id }) => id === gateway.id) === true);
  const { json: group } = await a.request('POST', '/tenants/groups', { key, body: { name: 'g', roles: [] } });
  await found('the group', ({ changes }) => changes?.some(({ id }) => id === group.id) === true);
});
