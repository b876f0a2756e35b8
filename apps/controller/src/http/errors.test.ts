import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorCatalogue } from '@sallyport/contract';
import { createLog } from '../log.ts';
import { cleanUp, openTestApp, type TestAnswer } from '../testing/harness.ts';
import { createServer } from './server.ts';

function problem(answer: TestAnswer, code: keyof typeof errorCatalogue): void {
  assert.equal(answer.json?.code, code, answer.text);
  assert.equal(answer.status, errorCatalogue[code].status);
  assert.equal(answer.headers['content-type'], 'application/problem+json');
  assert.deepEqual(
    [answer.json.title, answer.json.status, answer.json.type],
    [errorCatalogue[code].title, answer.status, `urn:sallyport:error:${code}`],
  );
  assert.equal(answer.json.requestId, answer.headers['x-request-id']);
}

const path = '/tenants/gateways';
const body = { name: 'Berlin', wireguardPort: '51820' };
const json = { 'content-type': 'application/json' };

test('without a valid key nothing is served, and the body is not read', async (t) => {
  const app = await openTestApp(t);
  for (const key of [null, '', 'nonsense', 'x'.repeat(5000)])
    problem(await app.request('GET', path, { key }), 'unauthenticated');
  problem(await app.request('GET', `${path}?apikey=${app.tenant.key}`, { key: null }), 'unauthenticated');
  problem(await app.request('POST', path, { key: null, body: '{broken', headers: json }), 'unauthenticated');
});

test('the header name is matched in any letter case', async (t) => {
  const app = await openTestApp(t);
  for (const name of ['apikey', 'APIKEY', 'ApiKey'])
    assert.equal((await app.request('GET', path, { key: null, headers: { [name]: app.tenant.key } })).status, 200);
});

test('a key works until it expires, and is gone once deleted', async (t) => {
  const app = await openTestApp(t);
  const expiresAt = new Date(app.clock.now + 60_000).toISOString();
  const made = await app.request('POST', '/tenants/api-keys', { body: { name: 'short', role: 'AUDITOR', expiresAt } });
  assert.equal((await app.request('GET', path, { key: made.json.key })).status, 200);
  app.clock.now += 60_000;
  problem(await app.request('GET', path, { key: made.json.key }), 'unauthenticated');
  const other = await app.request('POST', '/tenants/api-keys', { body: { name: 'other' } });
  assert.equal((await app.request('GET', path, { key: other.json.key })).status, 200);
  assert.equal((await app.request('DELETE', `/tenants/api-keys/${other.json.id}`)).status, 204);
  problem(await app.request('GET', path, { key: other.json.key }), 'unauthenticated');
});

test('a role does what it may and no more', async (t) => {
  const app = await openTestApp(t);
  const auditor = await app.key('AUDITOR');
  const admin = await app.key('ADMIN');
  assert.equal((await app.request('GET', path, { key: auditor })).status, 200);
  problem(await app.request('POST', path, { key: auditor, body }), 'forbidden');
  assert.equal((await app.request('POST', path, { key: admin, body })).status, 201);
  problem(await app.request('GET', '/tenants/api-keys', { key: admin }), 'forbidden');
});

test('unknown paths and methods are told apart', async (t) => {
  const app = await openTestApp(t);
  problem(await app.request('GET', '/tenants/nothing'), 'route_not_found');
  problem(await app.request('GET', '/tenants'), 'route_not_found');
  const answer = await app.request('PUT', path, { body });
  problem(answer, 'method_not_allowed');
  assert.equal(answer.headers.allow, 'GET, HEAD, POST');
});

test('bodies that are not UTF-8 JSON of a sane size are refused', async (t) => {
  const app = await openTestApp(t);
  problem(await app.request('POST', path, { body: '{"name": "x"', headers: json }), 'malformed_json');
  problem(await app.request('POST', path, { body: '', headers: json }), 'invalid_request');
  problem(
    await app.request('POST', path, { body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), headers: json }),
    'malformed_json',
  );
  problem(
    await app.request('POST', path, {
      body: 'name=x',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }),
    'unsupported_media_type',
  );
  problem(
    await app.request('POST', path, { body: '<x/>', headers: { 'content-type': 'text/plain' } }),
    'unsupported_media_type',
  );
  const large = JSON.stringify({ ...body, description: 'x'.repeat(2 * 1024 * 1024) });
  problem(await app.request('POST', path, { body: large, headers: json }), 'body_too_large');
  assert.deepEqual((await app.request('GET', path)).json, []);
});

test('the text around a mistake in JSON is not repeated', async (t) => {
  const app = await openTestApp(t);
  const { json: answer, text } = await app.request('POST', path, { body: '{"name": hunter2}', headers: json });
  assert.equal(answer.code, 'malformed_json');
  assert.doesNotMatch(text, /hunter2/);
});

test('an empty body is fine where none is needed, whatever its type says', async (t) => {
  const app = await openTestApp(t);
  const { json: made } = await app.request('POST', path, { body });
  for (const options of [{ headers: json }, { headers: json, body: '' }, { body: {} }, {}])
    assert.equal((await app.request('POST', `${path}/${made.id}/enable-relay`, options)).status, 201);
  problem(await app.request('POST', `${path}/${made.id}/enable-relay`, { body: { relay: true } }), 'invalid_request');
  assert.equal((await app.request('DELETE', `${path}/${made.id}`, { headers: json })).status, 204);
});

test('every bad field is listed, with its pointer', async (t) => {
  const app = await openTestApp(t);
  const bad = {
    name: 'a\u0000b',
    wireguardPort: 51820,
    'what/is~this': 1,
    description: 'x'.repeat(1001),
    endpoint: '1.2.3',
  };
  const answer = await app.request('POST', path, { body: bad });
  problem(answer, 'invalid_request');
  assert.deepEqual(answer.json.errors.map(({ pointer }: { pointer: string }) => pointer).sort(), [
    '/description',
    '/endpoint',
    '/name',
    '/what~1is~0this',
    '/wireguardPort',
  ]);
  const missing = await app.request('POST', path, { body: {} });
  assert.deepEqual(missing.json.errors, [
    { pointer: '/name', message: 'is required' },
    { pointer: '/wireguardPort', message: 'is required' },
  ]);
});

test('ids and query parameters are checked as well', async (t) => {
  const app = await openTestApp(t);
  const id = await app.request('GET', `${path}/not-a-uuid`);
  problem(id, 'invalid_request');
  assert.equal(id.json.errors[0].pointer, 'path/id');
  const query = await app.request('GET', `${path}?page=1`);
  assert.deepEqual(query.json.errors, [{ pointer: 'query/page', message: 'is not a known parameter' }]);
  for (const list of ['/tenants/users', '/tenants/groups', '/tenants/resources', '/tenants/devices']) {
    const hidden = await app.request('GET', `${list}?__proto__=x`);
    assert.deepEqual(hidden.json.errors, [{ pointer: 'query/__proto__', message: 'is not a known field' }], list);
  }
  problem(await app.request('GET', `${path}/00000000-0000-4000-8000-000000000000`), 'not_found');
});

test('ids are taken in any letter case', async (t) => {
  const app = await openTestApp(t);
  const { json: made } = await app.request('POST', path, { body });
  assert.equal((await app.request('GET', `${path}/${made.id.toUpperCase()}`)).json.id, made.id);
});

test('answers carry security headers and the request id that was given', async (t) => {
  const app = await openTestApp(t);
  const { headers } = await app.request('GET', path, { headers: { 'x-request-id': 'mine-1' } });
  assert.deepEqual(
    ['x-request-id', 'x-content-type-options', 'cache-control', 'x-frame-options'].map((name) => headers[name]),
    ['mine-1', 'nosniff', 'no-store', 'DENY'],
  );
  const forged = await app.request('GET', path, { headers: { 'x-request-id': 'a b{}' } });
  assert.match(String(forged.headers['x-request-id']), /^[0-9a-f-]{36}$/);
});

test('a base path holds the API and nothing else', async (t) => {
  const app = await openTestApp(t, { basePath: '/qa' });
  assert.equal((await app.request('GET', `/qa${path}`)).status, 200);
  problem(await app.request('GET', path), 'route_not_found');
  problem(await app.request('PATCH', `/qa${path}`, { body }), 'method_not_allowed');
  for (const plain of ['/healthz', '/readyz', '/openapi.json'])
    assert.equal((await app.request('GET', plain, { key: null })).status, 200);
  assert.equal((await app.request('GET', '/openapi.json')).json.servers[0].url, '/qa');
});

test('a request that the framework refuses is answered as a problem', async (t) => {
  const app = await openTestApp(t);
  problem(await app.request('GET', '/tenants/%zz'), 'route_not_found');
  problem(await app.request('QUERY' as 'GET', path), 'method_not_allowed');
});

test('bodies that are nested without end are refused before anything walks them', async (t) => {
  const app = await openTestApp(t);
  const deep = `{"name":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
  const headers = { ...json, 'idempotency-key': 'deep' };
  problem(await app.request('POST', path, { body: deep, headers }), 'malformed_json');
  const flat = JSON.stringify({ name: '['.repeat(100), wireguardPort: '1' });
  assert.equal((await app.request('POST', path, { body: flat, headers: json })).status, 201);
});

test('the log names the request that failed inside of the controller', async (t) => {
  const lines: string[] = [];
  const log = createLog('info', { write: (line) => void lines.push(line) });
  const server = createServer({ log, trustedProxies: [], tls: null });
  cleanUp(t, () => server.close());
  server.get('/broken', () => {
    throw new Error('broken');
  });
  const { statusCode, headers } = await server.inject({ url: '/broken', headers: { 'x-request-id': 'request-7' } });
  assert.deepEqual([statusCode, headers['x-request-id']], [500, 'request-7']);
  const [line] = lines.map((text) => JSON.parse(text));
  assert.deepEqual([lines.length, line.requestId, line.err.message], [1, 'request-7', 'broken']);
});
