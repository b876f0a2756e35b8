import assert from 'node:assert/strict';
import { test } from 'node:test';
import { absent, present } from '../testing/channel.ts';
import { agentOf, openPaths, put, relaying } from './testing/open-paths.ts';

test('a pair gets the relay with the smallest sum of times and a port of its own, never the first', async (t) => {
  const { app, gateway, device, connect, find, pairs } = await openPaths(t);
  const [near, far] = [await gateway('near', relaying), await gateway('far', relaying)];
  const g = await gateway('g');
  const devices = [await device(), await device(), await device()];
  for (const d of devices) {
    connect(d, g);
    app.channel.times.set(
      d,
      new Map([
        [near, 40],
        [far, 30],
      ]),
    );
  }
  app.channel.times.set(
    g,
    new Map([
      [near, 5],
      [far, 50],
    ]),
  );
  const revision = async () =>
    (
      await app.store.db
        .selectFrom('tenants')
        .select('revision')
        .where('id', '=', app.tenant.id)
        .executeTakeFirstOrThrow()
    ).revision;
  const before = await revision();
  for (const d of devices) await find(d, g, true);
  const made = await pairs();
  assert.equal(await revision(), before + 3);
  assert.deepEqual(made.map(({ relay_id }) => relay_id).sort(), [near, near, far].sort());
  assert.deepEqual(new Set(made.map(({ relay_id, port }) => `${relay_id} ${port}`)).size, 3);
  for (const { a, b, port } of made) assert.ok(a < b && port > 52000 && port <= 52002);

  for (const d of devices) await find(g, d, true);
  assert.deepEqual(await pairs(), made, 'the gateway may not ask for devices that are no peers of it');
  connect(g, devices[0] ?? '');
  await find(g, devices[0] ?? '', true);
  assert.deepEqual([(await pairs()).length, await revision()], [3, before + 3]);
});

test('a deleted relay is replaced, one that is slow to return is kept, and ports run out', async (t) => {
  const { app, paths, gateway, device, connect, find, pairs } = await openPaths(t);
  const [first, second] = [await gateway('1', relaying), await gateway('2', relaying)];
  const g = await gateway('g');
  const d = await device();
  connect(d, g);
  app.channel.presences.set(second, absent);
  await find(d, g, true);
  const [pair] = await pairs();
  assert.equal(pair?.relay_id, first);
  app.channel.presences.set(first, { ...absent, alive: true, lastSeen: app.clock.now });
  app.channel.presences.set(second, present);
  await find(d, g, true);
  assert.equal((await pairs())[0]?.relay_id, first);
  app.channel.presences.set(first, { ...absent, lastSeen: app.clock.now });
  await find(d, g, true);
  assert.deepEqual(
    (await pairs()).map(({ relay_id }) => relay_id),
    [second],
  );

  for (let n = 0; n < 2; n++) {
    const another = await device();
    connect(another, g);
    await find(another, g, true);
  }
  assert.deepEqual(paths.counters.relays, { kept: 1, allocated: 3, exhausted: 1, none: 0, gone: 0, away: 0 });
});

test('pairs of a relay that drains move to another one, and stay while there is none', async (t) => {
  const { app, paths, gateway, device, connect, find, pairs } = await openPaths(t);
  const first = await gateway('1', relaying);
  const g = await gateway('g');
  const d = await device();
  connect(d, g);
  await find(d, g, true);
  const relays = async () => (await pairs()).map(({ relay_id }) => relay_id);
  await paths.sweep();
  assert.deepEqual(await relays(), [first]);
  await put(app, 'gateway', first, { intent: 'MAINTENANCE' });
  await paths.sweep();
  assert.deepEqual(await relays(), [first], 'nothing else could relay');
  const second = await gateway('2', relaying);
  await paths.sweep();
  assert.deepEqual(await relays(), [second]);
  await put(app, 'gateway', first, { intent: 'ACTIVE' });
  await paths.sweep();
  assert.deepEqual(await relays(), [second], 'it does not come back');
});

test('a request for an absent peer takes no port of a relay, and keeps an existing pair', async (t) => {
  const { app, paths, gateway, device, connect, find, pairs } = await openPaths(t);
  await gateway('relay', relaying);
  const g = await gateway('g');
  const [first, second] = [await device(), await device()];
  for (const d of [first, second]) connect(d, g);
  await find(first, g, true);
  app.channel.presences.set(g, { ...absent, lastSeen: app.clock.now });
  for (const d of [first, second]) await find(d, g, true);
  assert.deepEqual(
    (await pairs()).map(({ a, b }) => [a, b].includes(first)),
    [true],
  );
  assert.equal(paths.counters.relays.away, 2);
  app.channel.presences.set(g, present);
  await find(second, g, true);
  assert.equal((await pairs()).length, 2);
});

test('a relay that does not answer both ends gives way to one that does, after a trial', async (t) => {
  const { app, gateway, device, connect, find, pairs } = await openPaths(t);
  const silent = await gateway('1', relaying);
  const g = await gateway('g');
  const d = await device();
  connect(d, g);
  await find(d, g, true);
  const answering = await gateway('2', relaying);
  for (const end of [d, g]) app.channel.times.set(end, new Map([[answering, 20]]));
  await find(d, g, true);
  assert.equal((await pairs())[0]?.relay_id, silent);
  app.clock.now += 15_000;
  await find(d, g, true);
  assert.equal((await pairs())[0]?.relay_id, answering);
});

test('a plain device, and a relay that is one of the ends, off duty or nowhere, get no pair', async (t) => {
  const { paths, gateway, device, connect, find, pairs } = await openPaths(t);
  const g = await gateway('g', relaying);
  const [plain, native] = [await device(false), await device()];
  for (const d of [plain, native]) {
    connect(g, d);
    await find(g, d, true);
  }
  await gateway('drains', { ...relaying, intent: 'MAINTENANCE' });
  await gateway('nowhere', { ...relaying, endpoint: null });
  await gateway('off', { ...relaying, relay_enabled: 0 });
  await find(g, native, true);
  assert.deepEqual([await pairs(), paths.counters.relays.none], [[], 2]);
});

test('pairs without a request for a day end, unless they carry traffic; pairs of deleted ends go at once', async (t) => {
  const { app, paths, gateway, device, connect, find, pairs } = await openPaths(t);
  const relay = await gateway('relay', { ...relaying, relay_to: 52999 });
  const g = await gateway('g');
  const [used, unused, deleted] = [await device(), await device(), await device()];
  for (const d of [used, unused, deleted]) {
    connect(d, g);
    await find(d, g, true);
  }
  await app.request('DELETE', `/tenants/devices/${deleted}`);
  assert.equal((await pairs()).length, 2);
  app.channel.pathReports.set(used, [{ peer: g, via: relay, rttMs: 30 }]);
  app.clock.now += 25 * 3600 * 1000;
  await paths.sweep();
  const left = await pairs();
  assert.deepEqual(
    left.map(({ a, b }) => [a, b].includes(used)),
    [true],
  );
  assert.equal(left[0]?.needed_at, app.clock.now);
});

test('with other processes, a pair that carries traffic there stays, and an unused one ends somewhat later', async (t) => {
  const { app, paths, gateway, device, connect, find, pairs } = await openPaths(t, true);
  await gateway('relay', { ...relaying, relay_to: 52999 });
  const g = await gateway('g');
  const [elsewhere, unused] = [await device(), await device()];
  for (const d of [elsewhere, unused]) {
    connect(d, g);
    await find(d, g, true);
  }
  app.clock.now += 24 * 3600 * 1000 + 600_000;
  await paths.sweep();
  assert.equal((await pairs()).length, 2, 'this process knows no path through it');
  const [a, b] = [elsewhere, g].sort();
  await app.store.db
    .updateTable('relay_pairs')
    .set({ needed_at: app.clock.now })
    .where('a', '=', a ?? '')
    .where('b', '=', b ?? '')
    .execute();
  app.clock.now += 3600_000;
  await paths.sweep();
  assert.deepEqual(
    (await pairs()).map((pair) => [pair.a, pair.b]),
    [[a, b]],
  );
});

test('the WireGuard port of a relay is no port of a pair', async (t) => {
  const { gateway, device, connect, find, pairs } = await openPaths(t);
  await gateway('relay', { ...relaying, relay_from: 51819, relay_to: 51821 });
  const g = await gateway('g');
  for (const d of [await device(), await device()]) {
    connect(d, g);
    await find(d, g, true);
  }
  assert.deepEqual(
    (await pairs()).map(({ port }) => port),
    [51821],
  );
});

test('a pair that is requested during the sweep stays', async (t) => {
  const { app, paths, gateway, device, connect, find, pairs } = await openPaths(t);
  await gateway('relay', relaying);
  const [g, d] = [await gateway('g'), await device()];
  connect(d, g);
  await find(d, g, true);
  app.clock.now += 25 * 3600 * 1000;
  const sweep = paths.sweep();
  await Promise.all([sweep, paths.find(agentOf(app, d), { peer: g, relay: true })]);
  assert.deepEqual(
    (await pairs()).map(({ needed_at }) => needed_at),
    [app.clock.now],
  );
});

test('what an end has measured at another process is asked for before a relay is chosen', async (t) => {
  const { app, gateway, device, connect, find, pairs } = await openPaths(t);
  const near = await gateway('1', relaying);
  const far = await gateway('2', relaying);
  const g = await gateway('g');
  const d = await device();
  connect(d, g);
  app.channel.times.set(
    d,
    new Map([
      [near, 5],
      [far, 80],
    ]),
  );
  t.mock.method(app.channel, 'gather', async (ends: readonly string[], kind: string) => {
    assert.deepEqual([new Set(ends), kind], [new Set([d, g]), 'paths']);
    app.channel.times.set(
      g,
      new Map([
        [near, 500],
        [far, 5],
      ]),
    );
  });
  await find(d, g, true);
  assert.deepEqual(
    (await pairs()).map(({ relay_id }) => relay_id),
    [far],
  );
});
