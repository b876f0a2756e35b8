import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signInOwner } from '../testing/browser.ts';
import { openTestApp } from '../testing/harness.ts';

const path = '/tenants/gateways';
const body = { name: 'Berlin', wireguardPort: '51820' };

test('ETag moves with administrators’ writes, and If-Match is honoured', async (t) => {
  const app = await openTestApp(t);
  const made = await app.request('POST', path, { body });
  assert.equal(made.headers.etag, '"1"');
  const one = `${path}/${made.json.id}`;
  assert.equal((await app.request('GET', one)).headers.etag, '"1"');
  const match = (etag: string) => ({ body: { ...body, name: `after ${etag}` }, headers: { 'if-match': etag } });
  assert.equal((await app.request('PATCH', one, match('"1"'))).headers.etag, '"2"');
  for (const stale of ['"1"', 'W/"2"', '"7", "8"', '2'])
    assert.equal((await app.request('PATCH', one, match(stale))).json.code, 'precondition_failed');
  assert.equal((await app.request('PATCH', one, match('"9", "2"'))).status, 200);
  assert.equal((await app.request('PATCH', one, match('*'))).status, 200);
  assert.equal((await app.request('DELETE', one, { headers: { 'if-match': '"1"' } })).status, 412);
  assert.equal((await app.request('GET', one)).status, 200);
});

test('writing back what was read changes nothing', async (t) => {
  const app = await openTestApp(t);
  const { json: made } = await app.request('POST', path, { body });
  const read = await app.request('GET', `${path}/${made.id}`);
  app.clock.now += 1000;
  const written = await app.request('PATCH', `${path}/${made.id}`, { body: read.json });
  assert.equal(written.status, 200, written.text);
  assert.equal(written.headers.etag, '"1"');
  assert.deepEqual(written.json, made);
});

test('a repeat with the same Idempotency-Key gets the first answer, exactly, but for the token', async (t) => {
  const app = await openTestApp(t);
  const once = { body, headers: { 'idempotency-key': 'k-1' } };
  const first = await app.request('POST', path, once);
  app.clock.now += 5000;
  const second = await app.request('POST', path, once);
  assert.equal(second.text, first.text.replace(first.json.token, `${first.json.token.slice(0, 36)}_…`));
  assert.deepEqual([second.status, second.headers.etag], [201, '"1"']);
  assert.equal((await app.request('GET', path)).json.length, 1);
  const reused = await app.request('POST', path, { ...once, body: { ...body, name: 'Other' } });
  assert.equal(reused.json.code, 'idempotency_key_reused');
  const foreign = await app.request('POST', path, { ...once, key: app.other.key });
  assert.notEqual(foreign.json.id, first.json.id);
  app.clock.now += 24 * 3600 * 1000;
  const later = await app.request('POST', path, once);
  assert.notEqual(later.json.id, first.json.id);
});

test('kept answers are not readable in the database', async (t) => {
  const app = await openTestApp(t);
  const { json } = await app.request('POST', path, { body, headers: { 'idempotency-key': 'k-1' } });
  const row = await app.store.db.selectFrom('idempotency_keys').selectAll().executeTakeFirstOrThrow();
  assert.ok(!JSON.stringify(row).includes(json.token));
});

test('a repeat during the first request is told so, and only one of them counts', async (t) => {
  const app = await openTestApp(t);
  const once = { body, headers: { 'idempotency-key': 'k-1' } };
  const answers = await Promise.all([1, 2, 3].map(() => app.request('POST', path, once)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409]);
  assert.equal(answers.find(({ status }) => status === 409)?.json.code, 'idempotency_in_progress');
  assert.equal((await app.request('GET', path)).json.length, 1);
});

test('a failure is not kept: the same key may try again', async (t) => {
  const app = await openTestApp(t);
  const headers = { 'idempotency-key': 'k-1' };
  const { json: made } = await app.request('POST', path, { body });
  const one = `${path}/${made.id}`;
  assert.equal((await app.request('PATCH', one, { body, headers: { ...headers, 'if-match': '"9"' } })).status, 412);
  assert.equal((await app.request('PATCH', one, { body, headers })).status, 200);
  const bad = await app.request('POST', path, { body, headers: { 'idempotency-key': 'white space' } });
  assert.equal(bad.json.errors[0].pointer, 'header/idempotency-key');
});

test('a dry run says what would change, and changes nothing', async (t) => {
  const app = await openTestApp(t);
  const { json: made } = await app.request('POST', path, { body });
  const plan = await app.request('DELETE', `${path}/${made.id}?dry-run=true`);
  assert.deepEqual(
    [plan.status, plan.json],
    [
      200,
      {
        revision: 2,
        changes: [{ action: 'delete', kind: 'gateway', id: made.id, name: 'Berlin' }],
        gained: 0,
        lost: 0,
        unchanged: 0,
        samples: [],
        pairs: [],
      },
    ],
  );
  assert.equal((await app.request('GET', `${path}/${made.id}`)).status, 200);
  const nothing = await app.request('PATCH', `${path}/${made.id}?dry-run=true`, { body });
  assert.deepEqual(nothing.json.changes, []);
});

test('a write that repeats the tag of its plan is refused once the tenant has changed', async (t) => {
  const app = await openTestApp(t);
  const { json: made } = await app.request('POST', path, { body });
  const one = `${path}/${made.id}`;
  const plan = () => app.request('DELETE', `${one}?dry-run=true`);
  const { json, headers } = await plan();
  assert.deepEqual([json.revision, headers.etag], [2, '"r2"']);
  await app.request('POST', path, { body: { ...body, name: 'Hamburg' } });
  const remove = (tag: unknown) => app.request('DELETE', one, { headers: { 'if-match': String(tag) } });
  const late = await remove(headers.etag);
  assert.deepEqual([late.status, late.json.code], [412, 'precondition_failed']);
  assert.equal((await remove((await plan()).headers.etag)).status, 204);
});

test('writes without a version take the tag of a plan too, and a repeated request still gets its answer', async (t) => {
  const app = await openTestApp(t);
  const { headers } = await app.request('POST', `${path}?dry-run=true`, { body });
  const request = { body, headers: { 'if-match': String(headers.etag), 'idempotency-key': 'k-1' } };
  const first = await app.request('POST', path, request);
  assert.equal(first.status, 201);
  const again = await app.request('POST', path, request);
  assert.deepEqual([again.status, again.json.id], [201, first.json.id], 'the answer is replayed');
  const late = await app.request('POST', path, { body, headers: { 'if-match': String(headers.etag) } });
  assert.equal(late.status, 412);
});

test('a plan and a version together let a write through when one of them still holds', async (t) => {
  const app = await openTestApp(t);
  const { json: made } = await app.request('POST', path, { body });
  const write = (tags: string) =>
    app.request('PATCH', `${path}/${made.id}`, { body: { ...body, name: tags }, headers: { 'if-match': tags } });
  assert.equal((await write('"r9", "9"')).status, 412);
  assert.equal((await write('"r2", "9"')).status, 200);
  assert.equal((await write('"r2", "2"')).status, 200);
});

test('operations that keep no answers refuse an idempotency key', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  const headers = { 'idempotency-key': 'k-1' };
  const device = { name: 'phone', publicKey: 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=' };
  for (const [path, given] of [
    ['/tenants/me/devices', device],
    ['/sign-in/password', { email: 'owner@example.com', password: 'x' }],
    ['/tenants/me/cli-code', { challenge: 'x'.repeat(43), port: 4711, host: 'laptop' }],
  ] as const) {
    const answer = await browser.request('POST', path, given, headers);
    assert.deepEqual([answer.status, answer.json.errors?.[0]?.pointer], [400, 'header/idempotency-key'], path);
  }
});
