import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Operation, operations, withoutSecrets } from '@sallyport/contract';
import pino from 'pino';
import { createSecretBox } from '../secrets/box.ts';
import { openTestApp, type TestApp } from '../testing/harness.ts';
import { makeSample } from '../testing/sample.ts';

/** What keys and tokens look like; a masked one does not. */
const secretText = /sak_[\w-]{43}|s(?:gw|dk)_[0-9a-f]{32}_[\w-]{43}/;
const gateway = { name: 'Berlin', wireguardPort: '51820' };
const once = (body: object, more: object = {}) => ({ body, headers: { 'idempotency-key': 'k-1' }, ...more });

/** Another OWNER key of the first tenant. */
const secondOwner = async (app: TestApp): Promise<string> =>
  (await app.request('POST', '/tenants/api-keys', { body: { name: 'second', role: 'OWNER' } })).json.key;

test('another key of the tenant gets no answer of the first one, and no secret in it', async (t) => {
  const app = await openTestApp(t);
  const second = await secondOwner(app);
  const body = { name: 'for CI' };
  const first = await app.request('POST', '/tenants/api-keys', once(body));
  const other = await app.request('POST', '/tenants/api-keys', once(body, { key: second }));
  assert.equal(other.status, 201);
  assert.notEqual(other.json.id, first.json.id);
  assert.notEqual(other.json.key, first.json.key);
  const different = await app.request('POST', '/tenants/gateways', once(gateway, { key: second }));
  assert.equal(different.json.code, 'idempotency_key_reused', 'within one caller the key still names one request');
});

test('a repeat by the caller says what was made, without the secret that was shown once', async (t) => {
  const app = await openTestApp(t);
  for (const path of ['/tenants/api-keys', '/tenants/enrolment-keys']) {
    const request = { body: { name: 'one' }, headers: { 'idempotency-key': path } };
    const { json: first } = await app.request('POST', path, request);
    const { key, ...rest } = first;
    assert.match(key, secretText);
    const again = await app.request('POST', path, request);
    assert.deepEqual([again.status, again.headers['idempotency-replayed'], again.json], [201, 'true', rest]);
  }
});

test('a repeat of a write about a gateway carries its token masked', async (t) => {
  const app = await openTestApp(t);
  const first = await app.request('POST', '/tenants/gateways', once(gateway));
  assert.equal(first.headers['idempotency-replayed'], undefined);
  const again = await app.request('POST', '/tenants/gateways', once(gateway));
  const { token, ...rest } = again.json;
  assert.match(token, /^sgw_[0-9a-f]{32}_…$/);
  assert.deepEqual({ ...rest, token: first.json.token }, first.json);
  const { json: read } = await app.request('GET', `/tenants/gateways/${first.json.id}`);
  assert.equal(read.token, first.json.token, 'who may deploy reads the token from the gateway');
});

test('no kept answer holds a secret, whichever operation it is of', async (t) => {
  const app = await openTestApp(t);
  const sample = await makeSample(app);
  const id = sample.gateway;
  const secrets: string[] = [];
  const writes: [method: 'POST' | 'PATCH', path: string, body?: object][] = [
    ['POST', '/tenants/gateways', gateway],
    ['PATCH', `/tenants/gateways/${id}`, { ...gateway, endpoint: '192.0.2.1' }],
    ['POST', `/tenants/gateways/${id}/enable-relay`],
    ['POST', `/tenants/gateways/${id}/disable-relay`],
    ['POST', `/tenants/gateways/${id}/rekey`],
    ['POST', '/tenants/api-keys', { name: 'x' }],
    ['POST', '/tenants/enrolment-keys', {}],
  ];
  for (const [method, path, body] of writes) {
    const headers = { 'idempotency-key': path };
    const answer = await app.request(method, path, body === undefined ? { headers } : { body, headers });
    const found = secretText.exec(answer.text)?.[0];
    assert.ok(found !== undefined, `${path}: ${answer.text}`);
    secrets.push(found);
  }
  const box = createSecretBox(Buffer.alloc(32, 7));
  const kept = await app.store.db.selectFrom('idempotency_keys').selectAll().execute();
  assert.equal(kept.length, writes.length);
  for (const row of kept) {
    const text = box.open(row.answer_ciphertext, `idempotency ${row.tenant_id} ${row.actor_id}`);
    assert.doesNotMatch(text, secretText);
    for (const secret of secrets) assert.ok(!text.includes(secret.slice(-43)), row.key);
  }
});

test('no read shows a secret in a field that is not marked as one', async (t) => {
  const app = await openTestApp(t);
  const sample = await makeSample(app);
  const ids: Readonly<Record<string, string>> = {
    gateways: sample.gateway,
    resources: sample.resource,
    devices: sample.device,
    policies: sample.policy,
    users: sample.user,
    groups: sample.group,
    addresses: sample.address,
    protocols: sample.protocol,
    'admission-rules': sample.rule,
    roles: sample.role,
  };
  let seen = 0;
  for (const operation of Object.values<Operation>(operations)) {
    if (operation.method !== 'GET' || operation.response === undefined || operation.stream === 'sse') continue;
    const path = operation.path.replace('{id}', ids[operation.path.split('/')[2] ?? ''] ?? '');
    const { json, text } = await app.request('GET', path);
    if (secretText.test(text)) seen++;
    assert.doesNotMatch(JSON.stringify(withoutSecrets(operation.response, json ?? null)), secretText, path);
  }
  assert.ok(seen >= 2, 'gateways show their tokens to an owner');
});

test('neither history, feed, dry runs nor the log of every request hold a secret', async (t) => {
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const app = await openTestApp(t, { log });
  const sample = await makeSample(app);
  const secrets = await secretsOf(app, sample.gateway);
  const plan = await app.request('PATCH', `/tenants/gateways/${sample.gateway}?dry-run=true`, { body: gateway });
  const rows = await Promise.all(
    (['audit_events', 'change_log'] as const).map((table) => app.store.db.selectFrom(table).selectAll().execute()),
  );
  const told = [plan.text, JSON.stringify(rows), ...lines].join('\n');
  assert.ok(lines.length > 10, 'every request is in the log');
  for (const secret of secrets) assert.ok(!told.includes(secret), secret.slice(0, 8));
});

/** Secrets of every kind, made, used rightly, and put where they do not belong. */
async function secretsOf(app: TestApp, id: string): Promise<string[]> {
  const { json: key } = await app.request('POST', '/tenants/api-keys', { body: { name: 'x', role: 'OWNER' } });
  const { json: enrolment } = await app.request('POST', '/tenants/enrolment-keys', { body: {} });
  const { json: rekeyed } = await app.request('POST', `/tenants/gateways/${id}/rekey`);
  const all = [app.tenant.key, key.key, enrolment.key, rekeyed.token];
  for (const secret of all) {
    await app.request('GET', `/tenants/gateways?apikey=${secret}`, { key: key.key });
    await app.request('GET', `/tenants/gateways/${secret}`);
    await app.request('POST', '/tenants/gateways', { body: { ...gateway, [secret]: secret } });
    await app.request('GET', '/tenants/gateways', { key: `${secret}x` });
  }
  return all.map((secret) => secret.slice(-40));
}
