import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AppDeps } from '../app.ts';
import { scoped } from '../db/scoped.ts';
import { createStore, type Store } from '../db/store.ts';
import { assertRefused, makers, publicKeyOf } from '../testing/api.ts';
import { enrolWith, makeKey } from '../testing/enrol.ts';
import { openTestApp, openTestStore, TestClock } from '../testing/harness.ts';
import { defaultQuotas, type QuotaLimits, type QuotaName, Quotas, quotaNames } from './quotas.ts';

async function open(t: TestContext, limits: Partial<QuotaLimits>, rest: Partial<AppDeps> = {}) {
  const quotas = new Quotas({ ...defaultQuotas, ...limits });
  const clock = new TestClock();
  const store = await openTestStore(t, clock, quotas);
  const app = await openTestApp(t, { store, ...rest });
  return { app, clock, make: makers(app) };
}

/** What makes one more object of a kind, by a number. */
const creations: Readonly<
  Record<Exclude<QuotaName, 'addresses' | 'wildcard-names'>, (n: number, protocol: string) => object>
> = {
  gateways: (n) => ({ name: `g${n}`, wireguardPort: '51820' }),
  devices: (n) => ({ name: `d${n}`, publicKey: publicKeyOf(`d${n}`) }),
  'enrolment-keys': (n) => ({ name: `k${n}` }),
  users: (n) => ({ email: `u${n}@example.com`, groups: [] }),
  groups: (n) => ({ name: `g${n}`, roles: [] }),
  resources: (n, protocol) => ({
    name: `r${n}`,
    type: 'PRIVATE',
    addresses: [{ address: `10.0.0.${n + 1}`, protocols: [protocol] }],
  }),
  policies: (n) => ({ name: `p${n}`, action: true, type: 'PRIVATE' }),
  'admission-rules': (n) => ({ name: `r${n}`, rule: 'true', hasTimeConstraint: false }),
  protocols: (n) => ({ networkProtocols: [{ protocol: 'TCP', port: String(4_000 + n) }] }),
  'api-keys': (n) => ({ name: `k${n}`, role: 'AUDITOR' }),
};

test('a tenant cannot exceed a quota, and may create an object again after a deletion', async (t) => {
  const limits = Object.fromEntries(quotaNames.map((name) => [name, name === 'addresses' ? 99 : 30]));
  const { app, make } = await open(t, limits);
  const { id: protocol } = await make.protocol('443');
  const foreign = await app.request('POST', '/tenants/protocols', {
    body: creations.protocols(0, ''),
    key: app.other.key,
  });
  for (const [name, body] of Object.entries(creations)) {
    const path = `/tenants/${name}`;
    const made: string[] = [];
    for (;;) {
      const answer = await app.request('POST', path, { body: body(made.length, protocol) });
      if (answer.status !== 201) break;
      made.push(answer.json.id);
      assert.ok(made.length <= 30, name);
    }
    await assertRefused(app, ['POST', path, { body: body(99, protocol) }], 409, 'quota_exceeded');
    const { json } = await app.request('POST', path, { body: body(99, protocol) });
    assert.match(json.detail, new RegExp(`may have 30 ${name.replace('-', ' ')}`));
    const elsewhere = await app.request('POST', path, { body: body(99, foreign.json.id), key: app.other.key });
    assert.equal(elsewhere.status, 201, 'another tenant has its own');
    assert.ok((await app.request('DELETE', `${path}/${made[0]}`)).status < 300);
    assert.equal((await app.request('POST', path, { body: body(99, protocol) })).status, 201, name);
  }
});

test('addresses count by resource, and a tenant with too many may still change and remove some', async (t) => {
  const { app, make } = await open(t, { addresses: 3 });
  const { id: protocol } = await make.protocol('443');
  const addresses = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ address: `10.0.0.${at + 1}`, protocols: [protocol] }));
  const body = (count: number, name = 'many') => ({ name, type: 'PRIVATE', addresses: addresses(count) });
  await assertRefused(app, ['POST', '/tenants/resources', { body: body(4) }], 409, 'quota_exceeded');
  const { id } = await make.resource('many', addresses(3));
  const put = (count: number, name?: string) =>
    app.request('PUT', `/tenants/resources/${id}`, { body: body(count, name) });
  assert.equal((await put(4)).json.code, 'quota_exceeded');
  const more = { tenant_id: app.tenant.id, resource_id: id, position: 9 };
  await app.store.db
    .insertInto('addresses')
    .values({ ...more, id: 'fourth', address: '10.0.0.9' })
    .execute();
  assert.equal((await put(4, 'renamed')).status, 200, 'as many as before');
  assert.equal((await put(2)).status, 200);
  assert.equal((await put(3)).status, 200);
});

test('a device does not enrol into a tenant that has as many as it may have', async (t) => {
  const { app } = await open(t, { devices: 1 });
  const [first, second] = [await makeKey(app, { name: 'first' }), await makeKey(app, { name: 'second' })];
  assert.equal(await enrolWith(app, first), 'enrolled');
  assert.equal(await enrolWith(app, second), 'device-limit');
  assert.equal((await app.request('DELETE', `/tenants/devices/${first.id}`)).status, 204);
  assert.equal(await enrolWith(app, second), 'enrolled', 'its key was not used up');
});

test('a tenant that writes without pause is slowed down, and other tenants are not', async (t) => {
  const { app, clock } = await open(t, {}, { writeRate: { perSecond: 2, burstSeconds: 5 } });
  const write = (key = app.tenant.key, description = '') =>
    app.request('POST', '/tenants/groups', { key, body: { name: 'g', roles: [], description } });
  const answers = [];
  for (let count = 0; count < 12; count++) answers.push(await write());
  const refused = answers.filter(({ status }) => status !== 201);
  assert.ok(refused.length > 0 && refused.length < 6, `${refused.length} refused`);
  for (const { status, json, headers } of refused) {
    assert.deepEqual([status, json.code], [429, 'rate_limited']);
    assert.equal(Number(headers['retry-after']), 1);
  }
  assert.equal((await app.request('GET', '/tenants/groups')).status, 200, 'it may read');
  assert.equal((await write(app.other.key)).status, 201);
  clock.now += 1_000;
  assert.equal((await write()).status, 201);
  clock.now += 3_000;
  // Six writes' worth by now; this one counts as more than four.
  assert.equal((await write(undefined, 'x'.repeat(1_000))).status, 201);
});

test('a tenant keeps its audit trail for 400 days until it says otherwise', async (t) => {
  const { app } = await open(t, {});
  assert.equal((await app.request('GET', '/tenants/settings')).json.auditRetentionDays, 400);
});

test('a quota holds for controllers that write to one database in turns', async (t) => {
  const { app } = await open(t, {});
  const { store } = app;
  const context = { tenant: app.tenant.id, actor: { kind: 'system', id: null, name: 'test' } as const };
  const stores = [1, 2].map(() => {
    const quotas = new Quotas({ ...defaultQuotas, protocols: 10 });
    return createStore(store.db, store.now, quotas);
  });
  const create = (n: number, from: Store) =>
    from.write({ ...context, action: 'test', sourceIp: null, requestId: null }, async (tx) => {
      const row = {
        id: `made ${n}`,
        created_at: 0,
        name: `made ${n}`,
        type: 'CUSTOM' as const,
        network_protocols: '[]',
      };
      await tx.scoped.insertInto('protocols', row).execute();
      tx.changed({ kind: 'protocol', id: row.id, op: 'create' });
    });
  let refused: unknown = null;
  for (let n = 0; refused === null && n < 20; n++)
    await create(n, stores[n % 2] as Store).catch((error: unknown) => {
      refused = error;
    });
  assert.equal((refused as { code?: string } | null)?.code, 'quota_exceeded');
  const own = scoped(store.db, app.tenant.id);
  const { count } = await own
    .selectFrom('protocols')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  assert.equal(count, 10);
});
