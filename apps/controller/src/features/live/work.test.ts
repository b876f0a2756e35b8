import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ManualTime, until } from '../../channel/testing/manual-time.ts';
import { createDeviceQueries } from '../../objects/devices/queries.ts';
import { createGatewayQueries } from '../../objects/gateways/queries.ts';
import { alone } from '../../replicas/alone.ts';
import { makers } from '../../testing/api.ts';
import { present, ScriptedChannel } from '../../testing/channel.ts';
import { openTestApp } from '../../testing/harness.ts';
import { openCountingStore } from '../../testing/statements.ts';
import { LiveHub, streamsPerTenant } from './hub.ts';

/** A hub without the HTTP layer, so that every statement is its own. */
async function openHub(t: TestContext) {
  const { store, statements } = await openCountingStore(t);
  const app = await openTestApp(t, { store });
  const channel = new ScriptedChannel();
  const timers = new ManualTime();
  const deps = { store, timers, channel, now: store.now };
  const hub = new LiveHub({
    replicas: alone('0.0.0', app.store.now),
    ...deps,
    gateways: createGatewayQueries(store, {} as never, channel, { current: async () => null }),
    devices: createDeviceQueries({
      ...deps,
      generation: store.generation,
      whereabouts: { of: () => ({ sourceIp: null, country: null }) },
    }),
  });
  const stream = async (key = 'a') => {
    const end = new AbortController();
    const caller = { tenant: app.tenant.id, actor: { kind: 'api-key', id: key, name: key }, role: 'ADMIN' } as const;
    const rights = ['read'] as const;
    const { messages } = await hub.open({ ...caller, rights, session: null }, null, end.signal);
    const iterator = messages[Symbol.asyncIterator]();
    const [first] = (await iterator.next()).value ?? [];
    return {
      next: async () => (await iterator.next()).value?.[0],
      follow: (topics: object) => hub.follow({ ...caller, rights, session: null }, first?.stream ?? '', topics),
      end: () => end.abort(),
    };
  };
  return { app, hub, channel, timers, statements, stream };
}

test('agents that no stream follows cost it no statement, no view and no timer', async (t) => {
  const { app, hub, channel, timers, statements, stream } = await openHub(t);
  const make = makers(app);
  const [{ id: watched }, { id: other }] = [await make.gateway('Berlin'), await make.gateway('Hamburg')];
  const live = await stream();
  await live.follow({ gateways: [watched], statistics: [watched], overview: true });
  await live.next();
  timers.advance(1000);
  const waiting = live.next();
  const [before, views] = [statements(), hub.views.made];
  for (let n = 0; n < 10_000; n++) {
    channel.report(other, 'report');
    channel.report(`00000000-0000-4000-8000-${String(n).padStart(12, '0')}`, 'handshake');
  }
  timers.advance(60_000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([statements(), hub.views.made, timers.pending], [before, views, 0]);
  channel.show(watched, { ...present, error: 'x' });
  assert.equal((await waiting)?.gateways?.length, 1);
});

test('streams that show the same object share its view', async (t) => {
  const { app, hub, channel, timers, statements, stream } = await openHub(t);
  const { id } = await makers(app).gateway('Berlin');
  const streams = await Promise.all(Array.from({ length: 100 }, (_, n) => stream(`key ${n}`)));
  for (const live of streams) live.follow({ gateways: [id] });
  for (const live of streams) await live.next();
  assert.equal(hub.objects.size, 1);
  timers.advance(1000);
  const [before, views] = [statements(), hub.views.made];
  channel.show(id, { ...present, error: 'x' });
  const messages = await Promise.all(streams.map((live) => live.next()));
  for (const message of messages) assert.equal(message?.gateways?.[0]?.status, 'ERROR');
  assert.deepEqual([hub.views.made - views, statements() - before], [1, 1]);
});

test('what a stream followed is forgotten with it', async (t) => {
  const { app, hub, timers, channel, stream } = await openHub(t);
  const { id } = await makers(app).device('phone');
  channel.handshakes.set(id, app.store.now());
  const live = await stream();
  await live.follow({ devices: [id], overview: true });
  await live.next();
  timers.advance(1000);
  assert.notEqual(timers.pending, 0, 'the device goes offline by time');
  await live.follow({ overview: false });
  assert.deepEqual([hub.objects.size, timers.pending], [0, 0]);
  await live.follow({ devices: [id], overview: true });
  await live.next();
  live.end();
  timers.advance(1000);
  await until(() => hub.objects.size === 0 && timers.pending === 0, 'nothing is left');
  await assert.rejects(live.follow({}), { code: 'not_found' });
});

test('the number of live streams of a tenant is limited', async (t) => {
  const { stream } = await openHub(t);
  const all = [];
  for (let n = 0; n < streamsPerTenant; n++) all.push(await stream(`key ${n}`));
  await assert.rejects(stream('one more'), { code: 'rate_limited' });
  all[0]?.end();
  await stream('one more');
});
