import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, METHODS } from 'node:http';
import { test } from 'node:test';
import { type Operation, operations } from '@sallyport/contract';
import { listen } from '../testing/event-stream.ts';
import { openTestApp } from '../testing/harness.ts';

const unknownId = '00000000-0000-4000-8000-000000000000';
const all = Object.values<Operation>(operations);
const filled = (path: string, value: string) => path.replaceAll(/\{\w+\}/g, value);

/** CONNECT asks for a tunnel and has no path; the others are asked with and without a body that is no JSON. */
const methods = METHODS.filter((method) => method !== 'CONNECT');
const others: Readonly<Record<string, string>> = {
  '/healthz': 'GET, HEAD',
  '/readyz': 'GET, HEAD',
  '/openapi.json': 'GET, HEAD',
  '/docs': 'GET, HEAD',
  '/tenants/policies/reorder': 'PATCH',
  '/tenants/changes': 'GET',
};

test('every method that a path does not take answers 405 with the methods that it takes', async (t) => {
  const app = await openTestApp(t);
  const url = await listen(app);
  const paths = new Map<string, string[]>();
  for (const { path, method, stream } of all) {
    const taken = method === 'GET' && stream === undefined ? ['GET', 'HEAD'] : [method];
    paths.set(path, [...(paths.get(path) ?? []), ...taken]);
  }
  const expected = Object.fromEntries([...paths].map(([path, taken]) => [path, taken.sort().join(', ')]));
  for (const [path, allow] of Object.entries({ ...expected, ...others }))
    for (const method of methods.filter((method) => !allow.split(', ').includes(method)))
      for (const body of [undefined, 'a=b']) {
        const answer = await ask(url + filled(path, unknownId), method, body);
        const place = `${method} ${path}`;
        assert.equal(answer.status, 405, place);
        assert.equal(answer.headers.allow, allow, place);
        assert.equal(answer.headers['content-type'], 'application/problem+json', place);
        if (method !== 'HEAD') assert.equal(JSON.parse(answer.text).code, 'method_not_allowed', place);
      }
});

test('an unknown path is an unknown path for every method', async (t) => {
  const app = await openTestApp(t);
  const url = await listen(app);
  for (const method of methods) {
    const answer = await ask(`${url}/tenants/nothing`, method, 'a=b');
    assert.deepEqual([answer.status, answer.headers.allow], [404, undefined], method);
  }
});

test('HEAD answers what GET answers, without its body', async (t) => {
  const app = await openTestApp(t);
  const url = await listen(app);
  for (const path of ['/tenants/gateways', '/tenants/users', '/tenants/settings', '/healthz']) {
    const headers = { apikey: app.tenant.key };
    const [get, head] = [await ask(url + path, 'GET', undefined, headers), await ask(url + path, 'HEAD', '', headers)];
    assert.deepEqual([head.status, head.text], [200, ''], path);
    for (const name of ['content-type', 'content-length']) assert.equal(head.headers[name], get.headers[name], path);
  }
});

test('a malformed id is one kind of failure in every family, however long it is', async (t) => {
  const app = await openTestApp(t);
  for (const { method, path, body, right } of all.filter(
    ({ params, right }) => params !== undefined && right !== 'self',
  ))
    for (const id of ['abc', '0', 'a'.repeat(36), 'a'.repeat(230), 'a'.repeat(8000)]) {
      const at = filled(path, id);
      const place = `${method} ${path} with ${id.length} characters`;
      const options = body === undefined ? {} : { body: {} };
      const answer = await app.request(method, at, options);
      assert.deepEqual([answer.status, answer.json.code], [400, 'invalid_request'], place);
      assert.ok(
        answer.json.errors.some(({ pointer }: { pointer: string }) => pointer.startsWith('path/')),
        place,
      );
      if (right === null) continue;
      const unknown = await app.request(method, at, { key: null, ...options });
      assert.deepEqual([unknown.status, unknown.json.code], [401, 'unauthenticated'], place);
    }
});

async function ask(url: string, method: string, body?: string, headers: Record<string, string> = {}) {
  const type = body === undefined ? {} : { 'content-type': 'text/plain', 'content-length': String(body.length) };
  const request = httpRequest(url, { method, headers: { ...type, ...headers }, agent: false });
  request.end(body);
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const part of answer.setEncoding('utf8')) text += part;
  return { status: answer.statusCode ?? 0, headers: answer.headers, text };
}
