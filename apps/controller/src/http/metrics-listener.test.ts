import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { ControllerProcess, testFolder } from '../testing/controller-process.ts';
import { openTestApp } from '../testing/harness.ts';
import { listenMetrics } from './metrics-listener.ts';

const local = { host: '127.0.0.1', port: 0 };
const quiet = { warn: () => assert.fail('nothing to warn of'), error: () => assert.fail('nothing fails') };
const figures = { contentType: 'text/plain; version=0.0.4', text: async () => 'sallyport_x 1\n' };

test('the API serves no metrics, with or without a key', async (t) => {
  const app = await openTestApp(t);
  await app.request('GET', '/tenants/gateways');
  assert.match(await app.metrics(), /sallyport_http_request_seconds_count\{route="\/tenants\/gateways"/);
  for (const key of [null, app.tenant.key]) {
    const answer = await app.request('GET', '/metrics', { key });
    assert.deepEqual([answer.status, answer.json.code], [404, 'route_not_found']);
  }
});

test('metrics have a listener of their own, which serves nothing else', async (t) => {
  const listener = await listenMetrics(local, figures, quiet);
  t.after(() => listener.close());
  const { url } = listener;
  assert.ok(url !== null);
  const answer = await fetch(url);
  assert.deepEqual([answer.status, await answer.text()], [200, 'sallyport_x 1\n']);
  assert.equal(answer.headers.get('content-type'), figures.contentType);
  assert.equal((await fetch(url, { method: 'POST', body: 'x' })).status, 405);
  assert.equal((await fetch(url.replace('/metrics', '/tenants/gateways'))).status, 404);
  assert.equal((await fetch(url, { method: 'HEAD' })).status, 200);
});

test('figures that cannot be told end the request and not the process', async (t) => {
  const errors: unknown[] = [];
  const failing = { ...figures, text: () => Promise.reject(new Error('broken gauge')) };
  const log = { ...quiet, error: (fields: object) => void errors.push(fields) };
  const listener = await listenMetrics(local, failing, log as never);
  t.after(() => listener.close());
  await assert.rejects(fetch(listener.url ?? ''));
  await assert.rejects(fetch(listener.url ?? ''));
  assert.equal(errors.length, 2);
});

test('a stop does not wait for a scraper that has sent half a request', async () => {
  const listener = await listenMetrics(local, figures, quiet);
  const socket = connect(Number(new URL(listener.url ?? '').port), '127.0.0.1');
  const closed = new Promise((resolve) => socket.on('close', resolve).on('error', () => {}));
  await new Promise<void>((resolve) => socket.write('GET /metrics HTTP/1.1\r\nHost:', () => resolve()));
  await listener.close();
  await closed;
});

test('the real controller goes on without metrics when their port is in use, and says which setting to change', async (t) => {
  const first = await ControllerProcess.start(t, testFolder(t), ['--metrics-listen', '127.0.0.1:0']);
  const url = /"url":"(http:\/\/127\.0\.0\.1:(\d+)\/metrics)"/.exec(first.stderr);
  assert.ok(url !== null, first.stderr);
  assert.match(await (await fetch(url[1] ?? '')).text(), /^process_resident_memory_bytes \d+$/m);
  const second = await ControllerProcess.start(t, testFolder(t), ['--metrics-listen', `127.0.0.1:${url[2]}`]);
  assert.equal((await fetch(`${second.url}/readyz`)).status, 200);
  assert.match(
    second.stderr,
    new RegExp(`there are no metrics: port ${url[2]} of 127.0.0.1 is in use. Set SALLYPORT_METRICS_LISTEN to a free`),
  );
  assert.equal((await fetch(`${second.url}/metrics`)).status, 404);
  assert.equal(await second.kill('SIGTERM'), 0);
});
