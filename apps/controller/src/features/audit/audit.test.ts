import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditEvent } from '@sallyport/contract';
import { parseEnrolmentToken } from '@sallyport/contract/channel';
import { publicKeyOf } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { makeSample } from '../../testing/sample.ts';

const path = '/tenants/audit-events';
const exported = async (app: TestApp, query = '') => (await app.request('GET', `${path}/export${query}`)).json;
const listed = async (app: TestApp, query: string) => (await app.request('GET', `${path}?${query}`)).json;
type Event = Readonly<Record<string, never>>;

test('every change is an event that says who, from where, what, before and after', async (t) => {
  const app = await openTestApp(t);
  const headers = { 'x-request-id': 'ticket-4711' };
  const body = { name: 'Berlin', wireguardPort: '51820' };
  const { json: gateway } = await app.request('POST', '/tenants/gateways', { body, headers });
  app.clock.now += 60_000;
  await app.request('PATCH', `/tenants/gateways/${gateway.id}`, { body: { ...body, name: 'Bonn' }, headers });
  const [renamed, created] = (await listed(app, 'limit=2')).data;
  const { actor, before, after, hash, ...rest } = renamed;
  assert.deepEqual(rest, {
    id: `${created.revision + 1}.0`,
    at: new Date(app.clock.now).toISOString(),
    revision: created.revision + 1,
    sourceIp: '127.0.0.1',
    requestId: 'ticket-4711',
    action: 'updateGateway',
    object: { kind: 'gateway', id: gateway.id, name: 'Bonn' },
    previousHash: created.hash,
  });
  assert.equal(actor.kind, 'api-key');
  assert.deepEqual([before.name, after.name], ['Berlin', 'Bonn']);
  assert.match(hash, /^[0-9a-f]{64}$/);
  assert.deepEqual([created.action, created.before, created.after.name], ['createGateway', undefined, 'Berlin']);
});

test('keys made and deleted, operator actions and enrolments are events; the use of a key is none', async (t) => {
  const app = await openTestApp(t);
  const { json: key } = await app.request('POST', '/tenants/api-keys', { body: { name: 'ci', role: 'AUDITOR' } });
  const before = await exported(app);
  for (let n = 0; n < 3; n++) await app.request('GET', '/tenants/gateways', { key: key.key });
  assert.equal((await exported(app)).length, before.length);
  await app.request('DELETE', `/tenants/api-keys/${key.id}`);
  const body = { name: 'Berlin', wireguardPort: '51820' };
  const { json: gateway } = await app.request('POST', '/tenants/gateways', { body });
  const keys = { identityKey: publicKeyOf('identity'), wireguardPublicKey: publicKeyOf('wireguard'), hostname: 'h' };
  const copy = { ...keys, identityKey: publicKeyOf('another identity') };
  const secret = parseEnrolmentToken(gateway.token, 'gateway')?.secret ?? '';
  const { directory } = app.parts;
  assert.equal(await directory.agents.gateway.enrol(gateway.id, secret, keys), 'enrolled');
  // A copied token is worth an event, an agent that insists is not worth many, and a guess is worth none.
  for (let n = 0; n < 3; n++)
    assert.equal(await directory.agents.gateway.enrol(gateway.id, secret, copy), 'already-enrolled');
  assert.equal(await directory.agents.gateway.enrol(gateway.id, `${secret.slice(1)}x`, keys), 'bad-token');
  const actions = (await exported(app)).map(({ action, object }: { action: string; object: { kind: string } }) => [
    action,
    object.kind,
  ]);
  for (const expected of [
    ['create tenant', 'tenant'],
    ['createApiKey', 'api-key'],
    ['deleteApiKey', 'api-key'],
    ['enrol', 'gateway'],
    ['enrolment refused', 'gateway'],
  ])
    assert.ok(
      actions.some((action: string[]) => action.join() === expected.join()),
      expected.join(),
    );
});

test('filters, pages and the export agree with each other', async (t) => {
  const app = await openTestApp(t);
  const sample = await makeSample(app);
  app.clock.now += 3_600_000;
  const moment = new Date(app.clock.now).toISOString();
  await app.request('DELETE', `/tenants/policies/${sample.policy}`);
  const all: Event[] = await exported(app);
  const keyId = (await app.request('GET', '/tenants/api-keys')).json[0].id;

  const pages: Event[] = [];
  for (let offset = 0; ; offset += 4) {
    const page = await listed(app, `limit=4&offset=${offset}`);
    assert.deepEqual([page.total, page.page, page.limit], [all.length, offset / 4, 4]);
    pages.push(...page.data);
    if (!page.hasNext) break;
  }
  assert.deepEqual(pages, all.toReversed());

  const filters = [
    `from=${moment}`,
    `to=${moment}`,
    `actor=${keyId}`,
    'actor=First key',
    'actor=api-key',
    'actor=system',
    'action=createGateway',
    'kind=resource',
    `object=${sample.policy}`,
    `object=${sample.policy.toUpperCase()}`,
    `kind=policy&action=createPolicy&from=2026-01-01T00:00:00Z`,
    'actor=nobody',
  ];
  const counts = new Map<string, number>();
  for (const filter of filters) {
    const lines = await exported(app, `?${filter}`);
    const page = await listed(app, `limit=9999&${filter}`);
    assert.deepEqual(page.data.toReversed(), lines, filter);
    assert.deepEqual([page.total, page.limit], [lines.length, 500]);
    counts.set(filter, lines.length);
  }
  assert.equal(counts.get(`from=${moment}`), 1);
  assert.equal(counts.get(`to=${moment}`), all.length - 1);
  assert.equal(counts.get(`object=${sample.policy}`), 2);
  assert.equal(counts.get('actor=nobody'), 0);
  assert.equal(counts.get('actor=api-key'), counts.get('actor=First key'));
  assert.equal(Number(counts.get('actor=api-key')) + Number(counts.get('actor=system')), all.length);
});

test('a trail that is longer than one verified slice is intact', async (t) => {
  const app = await openTestApp(t);
  const row = await app.store.db
    .selectFrom('audit_events')
    .selectAll()
    .where('tenant_id', '=', app.tenant.id)
    .limit(1)
    .executeTakeFirstOrThrow();
  const rows = Array.from({ length: 12_000 }, (_, at) => ({
    ...row,
    revision: 2 + at,
    seq: 0,
    object_id: at % 3000 === 0 ? 'rare' : 'x',
  }));
  for (let at = 0; at < rows.length; at += 500)
    await app.store.db
      .insertInto('audit_events')
      .values(rows.slice(at, at + 500))
      .execute();
  await app.store.db.updateTable('tenants').set({ revision: 12_001 }).where('id', '=', app.tenant.id).execute();
  const first =
    12_000 +
    (
      await app.store.db
        .selectFrom('audit_events')
        .select('seq')
        .where('tenant_id', '=', app.tenant.id)
        .where('revision', '=', 1)
        .execute()
    ).length;
  const whole = await exported(app);
  assert.equal(whole.length, first);
  const rare = await exported(app, '?object=rare');
  assert.deepEqual(
    rare.map(({ revision }: { revision: number }) => revision),
    [2, 3002, 6002, 9002],
  );
  const page = await listed(app, 'object=rare&limit=2&offset=1');
  assert.deepEqual([page.total, page.data.map(({ revision }: { revision: number }) => revision)], [4, [6002, 3002]]);
  const across = await listed(app, 'limit=500&offset=4800');
  assert.deepEqual(across.data, whole.toReversed().slice(4800, 5300));
});

test('every event names its object and says what it was or became', async (t) => {
  const app = await openTestApp(t);
  const sample = await makeSample(app);
  for (const path of [`gateways/${sample.gateway}`, `groups/${sample.group}`, `users/${sample.user}`])
    assert.equal((await app.request('DELETE', `/tenants/${path}`)).status, 204);
  const all: AuditEvent[] = await exported(app);
  assert.ok(all.length > 25);
  for (const { id, action, object, before, after } of all) {
    assert.ok(object.name, `${id} ${action} ${object.kind}`);
    assert.ok(before !== undefined || after !== undefined, `${id} ${action} ${object.kind}`);
  }
});

test('no secret is in any event', async (t) => {
  const app = await openTestApp(t);
  const sample = await makeSample(app);
  const headers = { 'idempotency-key': 'once' };
  const { json: made } = await app.request('POST', '/tenants/gateways', {
    body: { name: 'x', wireguardPort: '1' },
    headers,
  });
  const rekeyed = await app.request('POST', `/tenants/gateways/${sample.gateway}/rekey`);
  const { json: key } = await app.request('POST', '/tenants/api-keys', { body: { name: 'second' } });
  await app.request('DELETE', `/tenants/gateways/${made.id}`);
  await app.request('DELETE', `/tenants/api-keys/${key.id}`);
  const text = JSON.stringify(await app.store.db.selectFrom('audit_events').selectAll().execute());
  const gateways = await app.store.db.selectFrom('gateways').selectAll().execute();
  const keys = await app.store.db.selectFrom('api_keys').selectAll().execute();
  const kept = await app.store.db.selectFrom('idempotency_keys').selectAll().execute();
  const secrets = [
    app.tenant.key,
    key.key,
    ...[made.token, rekeyed.json.token].map((token) => parseEnrolmentToken(token, 'gateway')?.secret ?? ''),
    ...gateways.flatMap(({ token_hash, token_ciphertext }) => [token_hash, token_ciphertext]),
    ...keys.map(({ hash }) => hash),
    ...kept.map(({ answer_ciphertext }) => answer_ciphertext),
  ];
  assert.ok(secrets.length > 8 && secrets.every((secret) => typeof secret === 'string' && secret.length > 20));
  for (const secret of secrets) {
    assert.ok(!text.includes(secret));
  }
});

test('only roles with the right to audit see events, and only those of their tenant', async (t) => {
  const app = await openTestApp(t);
  const sample = await makeSample(app);
  const support = await app.key('SUPPORT');
  for (const one of ['', '/export', '/verify']) {
    assert.equal((await app.request('GET', path + one, { key: support })).json.code, 'forbidden');
    const foreign = await app.request('GET', path + one, { key: app.other.key });
    assert.equal(foreign.status, 200);
    for (const id of Object.values(sample)) assert.ok(!foreign.text.includes(id));
  }
  const auditor = await app.key('AUDITOR');
  assert.equal((await app.request('GET', `${path}/export`, { key: auditor })).status, 200);
});

test('bad filters are refused', async (t) => {
  const app = await openTestApp(t);
  for (const query of ['from=yesterday', 'limit=0', 'offset=-1', 'unknown=1', `kind=${'x'.repeat(51)}`])
    assert.equal((await app.request('GET', `${path}?${query}`)).json.code, 'invalid_request', query);
  assert.equal((await app.request('GET', `${path}/export?limit=1`)).json.code, 'invalid_request');
  assert.equal((await app.request('GET', `${path}/export?from=1`)).headers['content-type'], 'application/problem+json');
});
