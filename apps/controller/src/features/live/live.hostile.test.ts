import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { makers } from '../../testing/api.ts';
import { type Browser, signInOwner, signInUser } from '../../testing/browser.ts';
import { present } from '../../testing/channel.ts';
import { listen } from '../../testing/event-stream.ts';
import type { TestApp } from '../../testing/harness.ts';
import { type LiveStream, openLive, openLiveApp } from '../../testing/live.ts';
import { streamsPerCaller } from './hub.ts';

const path = '/tenants/live';

test('a role without the right to read gets no live stream, and no stream starts from another site', async (t) => {
  const { app } = await openLiveApp(t);
  const { browser } = await signInUser(app, 'ann@example.com');
  assert.equal((await browser.request('GET', path)).json.code, 'forbidden');
  assert.equal((await browser.request('PUT', `${path}/${randomUUID()}`, {})).json.code, 'forbidden');
  const owner = await signInOwner(app);
  const elsewhere = { 'sec-fetch-site': 'same-site' };
  assert.equal((await owner.request('GET', path, undefined, elsewhere)).json.code, 'cross_site');
  assert.equal((await owner.request('PUT', `${path}/${randomUUID()}`, {}, elsewhere)).json.code, 'cross_site');
});

/** A signed-in administrator with a stream, and what takes the right to it away. */
const endings: Record<string, (app: TestApp, who: { browser: Browser; id: string }) => Promise<unknown>> = {
  'signing out': (_app, { browser }) => browser.ok('DELETE', '/tenants/me/session'),
  'deactivation of the person': (app, { id }) => app.request('PATCH', `/tenants/users/${id}/deactivate`),
  'deletion of the person': (app, { id }) => app.request('DELETE', `/tenants/users/${id}`),
  'ending the sessions of the person': (app, { id }) => app.request('DELETE', `/tenants/users/${id}/sessions`),
  'another role': async (app, { id }) => {
    const roles = (await app.request('GET', '/tenants/roles')).json as { id: string; type: string }[];
    const [added, removed] = ['AUDITOR', 'ADMIN'].map((type) => roles.find((role) => role.type === type)?.id);
    const body = { addedRoles: [added], removedRoles: [removed] };
    return app.request('PATCH', `/tenants/users/${id}/roles`, { body });
  },
};

for (const [what, take] of Object.entries(endings))
  test(`${what} ends the live stream before another message`, async (t) => {
    const { app, second } = await openLiveApp(t);
    const who = await signInUser(app, 'ann@example.com', 'ADMIN');
    const { id } = await makers(app).gateway('Berlin');
    const live = await openLive(t, app, { as: who.browser });
    await live.follow({ gateways: [id] });
    assert.notEqual(await live.next(), null);
    await take(app, who);
    app.channel.show(id, { ...present, error: 'x' });
    second();
    assert.equal(await live.next(), null);
  });

test('deleting an API key ends its live stream', async (t) => {
  const { app } = await openLiveApp(t);
  const { json: key } = await app.request('POST', '/tenants/api-keys', { body: { name: 'watcher', role: 'AUDITOR' } });
  const live = await openLive(t, app, { as: key.key });
  await app.request('DELETE', `/tenants/api-keys/${key.id}`);
  assert.equal(await live.next(), null);
});

test('neither a stream nor its topics keep a session from going idle', async (t) => {
  const { app, timers } = await openLiveApp(t);
  const owner = await signInOwner(app);
  const { json: settings } = await app.request('GET', '/tenants/sign-in-settings');
  const live = await openLive(t, app, { as: owner });
  const idleMs = settings.idleMinutes * 60_000;
  timers.advanceTo(app.clock.now + idleMs - 1000);
  await live.follow({});
  timers.advanceTo(app.clock.now + 1001);
  assert.equal((await owner.request('PUT', `${path}/${live.id}`, {})).json.code, 'unauthenticated');
});

test('only the caller who opened a stream sets its topics', async (t) => {
  const { app } = await openLiveApp(t);
  const owner = await signInOwner(app);
  const live = await openLive(t, app, { as: owner });
  const own = `${path}/${live.id}`;
  const { browser: other } = await signInUser(app, 'ann@example.com', 'ADMIN');
  assert.equal((await other.request('PUT', own, {})).json.code, 'not_found');
  assert.equal((await app.request('PUT', own, { body: {} })).json.code, 'not_found');
  assert.equal((await app.request('PUT', own, { body: {}, key: app.other.key })).json.code, 'not_found');
  assert.equal((await app.request('PUT', `${path}/${randomUUID()}`, { body: {} })).json.code, 'not_found');
  await live.follow({});
});

test('an object of another tenant is as unknown as one that does not exist', async (t) => {
  const { app, second } = await openLiveApp(t);
  const { json: foreign } = await app.request('POST', '/tenants/gateways', {
    key: app.other.key,
    body: { name: 'Theirs', wireguardPort: '51820' },
  });
  const nowhere = randomUUID();
  const ids = [foreign.id, nowhere];
  const live = await openLive(t, app);
  await live.follow({ gateways: ids, devices: ids, statistics: ids, paths: ids });
  const first = await live.next();
  assert.deepEqual(Object.keys(first ?? {}), ['revision', 'unknown']);
  assert.deepEqual(first?.unknown, ids);
  app.channel.show(foreign.id, { ...present, error: 'secret' });
  app.channel.report(foreign.id, 'report');
  const { id } = await makers(app).gateway('Ours');
  second();
  assert.deepEqual(await live.next(), {
    revision: (first?.revision ?? 0) + 1,
    changes: [{ kind: 'gateway', id, op: 'create' }],
  });
});

test('a role sees changes of those kinds alone that it may list', async (t) => {
  const { app, second } = await openLiveApp(t);
  const live = await openLive(t, app, { as: await app.key('AUDITOR') });
  await app.request('POST', '/tenants/api-keys', { body: { name: 'secret' } });
  second();
  const { id } = await makers(app).gateway('Berlin');
  second();
  assert.deepEqual((await live.next())?.changes, [{ kind: 'gateway', id, op: 'create' }]);
});

test('topics beyond their limits are refused', async (t) => {
  const { app } = await openLiveApp(t);
  const live = await openLive(t, app);
  const ids = (count: number) => Array.from({ length: count }, () => randomUUID());
  const put = async (body: object) => (await app.request('PUT', `${path}/${live.id}`, { body })).json?.code;
  assert.equal(await put({ gateways: ids(501) }), 'invalid_request');
  assert.equal(await put({ devices: ids(501) }), 'invalid_request');
  assert.equal(await put({ statistics: ids(51) }), 'invalid_request');
  assert.equal(await put({ paths: ids(51) }), 'invalid_request');
  assert.equal(await put({ paths: ['x'] }), 'invalid_request');
  assert.equal(await put({ everything: true }), 'invalid_request');
  assert.equal(await put({ gateways: ids(500), devices: ids(500), statistics: ids(50), paths: ids(50) }), undefined);
});

test('a caller with too many streams loses the oldest one', async (t) => {
  const { app } = await openLiveApp(t);
  const streams: LiveStream[] = [];
  for (let n = 0; n <= streamsPerCaller; n++) streams.push(await openLive(t, app));
  assert.equal(await streams[0]?.next(), null);
  const owner = await openLive(t, app, { as: await signInOwner(app) });
  await streams[1]?.follow({});
  await owner.follow({});
});

test('a client that never reads is cut, and costs no memory until then', async (t) => {
  const limits = { heartbeatMs: 15_000, stallMs: 300 };
  const { app, second } = await openLiveApp(t, { streamLimits: limits });
  const { port } = new URL(await listen(app));
  const ids = await Promise.all(Array.from({ length: 100 }, (_, n) => makers(app).gateway(`gateway ${n}`)));
  const stuck = await neverReading(t, Number(port), app.tenant.key);
  const live = await openLive(t, app);
  await app.request('PUT', `${path}/${stuck.stream}`, { body: { gateways: ids.map(({ id }) => id) } });
  let round = 0;
  const open = async () => /^sallyport_streams_open (\d+)$/m.exec(await app.metrics())?.[1];
  while ((await open()) !== '1') {
    for (const { id } of ids) app.channel.show(id, { ...present, error: `${round}`.padEnd(900, '.') });
    round++;
    second();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await live.follow({ gateways: [ids[0]?.id] });
  second();
  assert.notEqual(await live.next(), null);
});

/** Opens a live stream, reads its first message and nothing more. */
function neverReading(t: TestContext, port: number, key: string): Promise<{ stream: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ port, host: '127.0.0.1', path, headers: { apikey: key }, agent: false }, (answer) => {
      answer.on('data', (data: Buffer) => {
        const stream = /"stream":"([^"]+)"/.exec(data.toString())?.[1];
        if (stream === undefined) return;
        answer.pause();
        answer.socket.pause();
        resolve({ stream });
      });
      answer.on('error', () => undefined);
    });
    call.on('error', reject);
    call.end();
    t.after(() => call.destroy());
  });
}
