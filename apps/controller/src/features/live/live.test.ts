import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makers, revisionOf } from '../../testing/api.ts';
import { absent, present } from '../../testing/channel.ts';
import { nativeDevice } from '../../testing/enrol.ts';
import { openLive, openLiveApp } from '../../testing/live.ts';

test('changes within a second come as one message, each object once', async (t) => {
  const { app, second } = await openLiveApp(t);
  const live = await openLive(t, app);
  assert.equal(live.first.revision, await revisionOf(app));
  const make = makers(app);
  const { id: berlin } = await make.gateway('Berlin');
  const first = await live.next();
  assert.deepEqual(first?.changes, [{ kind: 'gateway', id: berlin, op: 'create' }]);
  const { id: hamburg } = await make.gateway('Hamburg');
  for (const name of ['A', 'B', 'C'])
    await app.request('PATCH', `/tenants/gateways/${hamburg}`, { body: { name, wireguardPort: '51820' } });
  await app.request('DELETE', `/tenants/gateways/${berlin}`);
  second();
  const message = await live.next();
  assert.deepEqual(message?.changes, [
    { kind: 'gateway', id: hamburg, op: 'create' },
    { kind: 'gateway', id: berlin, op: 'delete' },
  ]);
  assert.equal(message?.revision, await revisionOf(app));
});

test('a gateway is sent when it is first followed, then when its status changes', async (t) => {
  const { app, second } = await openLiveApp(t);
  const { id } = await makers(app).gateway('Berlin');
  const live = await openLive(t, app);
  await live.follow({ gateways: [id] });
  assert.deepEqual((await live.next())?.gateways, [{ id, status: 'PENDING' }]);
  app.channel.show(id, { ...present, error: 'port in use' });
  app.channel.show(id, { ...present, error: 'no route' });
  second();
  const message = await live.next();
  assert.deepEqual(message?.gateways, [{ id, status: 'ERROR', error: 'no route' }]);
  assert.deepEqual(Object.keys(message ?? {}), ['revision', 'gateways']);
});

test('an object that is followed already is not sent again, and one that is no longer followed never', async (t) => {
  const { app, second } = await openLiveApp(t);
  const make = makers(app);
  const [{ id: berlin }, { id: hamburg }] = [await make.gateway('Berlin'), await make.gateway('Hamburg')];
  const live = await openLive(t, app);
  await live.follow({ gateways: [berlin] });
  await live.next();
  await live.follow({ gateways: [berlin, hamburg] });
  second();
  assert.deepEqual((await live.next())?.gateways, [{ id: hamburg, status: 'PENDING' }]);
  await live.follow({ gateways: [hamburg] });
  app.channel.show(berlin, { ...present, error: 'x' });
  app.channel.show(hamburg, { ...present, error: 'y' });
  second();
  assert.deepEqual((await live.next())?.gateways, [{ id: hamburg, status: 'ERROR', error: 'y' }]);
});

test('statistics and paths follow the reports of agents', async (t) => {
  const { app, second } = await openLiveApp(t);
  const { id: gateway } = await makers(app).gateway('Berlin');
  const { id: device } = await nativeDevice(app, 'laptop');
  const live = await openLive(t, app);
  await live.follow({ statistics: [gateway], paths: [device] });
  const none = { connectedDevices: 0, bytesIn: 0, bytesOut: 0 };
  const first = await live.next();
  assert.deepEqual([first?.statistics, first?.paths], [[{ id: gateway, ...none }], [{ id: device, paths: [] }]]);
  const statistics = { connectedDevices: 2, bytesIn: 10, bytesOut: 20, lastHandshake: null };
  app.channel.presences.set(gateway, { ...present, statistics });
  app.channel.report(gateway, 'report');
  app.channel.pathReports.set(device, [{ peer: gateway, via: 'direct', rttMs: 3 }]);
  app.channel.report(device, 'report');
  second();
  const message = await live.next();
  assert.deepEqual(message?.statistics, [{ id: gateway, connectedDevices: 2, bytesIn: 10, bytesOut: 20 }]);
  assert.deepEqual(message?.paths, [
    { id: device, paths: [{ gateway: { id: gateway, name: 'Berlin' }, via: 'DIRECT', rttMs: 3 }] },
  ]);
});

test('a plain device comes online by a handshake and goes offline by time alone', async (t) => {
  const { app, timers, second } = await openLiveApp(t);
  const { id } = await makers(app).device('phone');
  const live = await openLive(t, app);
  await live.follow({ devices: [id], overview: true });
  const first = await live.next();
  assert.deepEqual(first?.devices, [{ id, status: 'Offline' }]);
  assert.deepEqual(first?.overview, { gateways: {}, devices: { total: 1, online: 0 } });
  const handshake = app.clock.now;
  app.channel.handshakes.set(id, handshake);
  app.channel.report(id, 'handshake');
  second();
  const lastConnection = new Date(handshake).toISOString();
  const online = await live.next();
  assert.deepEqual(online?.devices, [{ id, status: 'Online', lastConnection }]);
  assert.deepEqual(online?.overview?.devices, { total: 1, online: 1 });
  timers.advanceTo(handshake + 180_001);
  assert.deepEqual((await live.next())?.devices, [{ id, status: 'Offline', lastConnection }]);
  timers.advanceTo(handshake + 200_000);
  assert.deepEqual((await live.next())?.overview?.devices, { total: 1, online: 0 });
});

test('the overview counts gateways by status and devices, and follows their changes', async (t) => {
  const { app, second } = await openLiveApp(t);
  const make = makers(app);
  const { id: berlin } = await make.gateway('Berlin');
  const { id: hamburg } = await make.gateway('Hamburg');
  const { id: laptop } = await nativeDevice(app, 'laptop');
  app.channel.presences.set(laptop, present);
  const live = await openLive(t, app);
  await live.follow({ overview: true });
  const overview = async () => {
    for (;;) {
      second();
      const message = await live.next();
      if (message?.overview !== undefined) return message.overview;
    }
  };
  assert.deepEqual(await overview(), { gateways: { PENDING: 2 }, devices: { total: 1, online: 1 } });
  app.channel.show(hamburg, { ...present, error: 'x' });
  assert.deepEqual((await overview()).gateways, { PENDING: 1, ERROR: 1 });
  await app.request('DELETE', `/tenants/gateways/${berlin}`);
  assert.deepEqual((await overview()).gateways, { ERROR: 1 });
  app.channel.show(laptop, absent);
  assert.deepEqual((await overview()).devices, { total: 1, online: 0 });
  app.channel.show(laptop, present);
  assert.deepEqual((await overview()).devices, { total: 1, online: 1 });
  await app.request('PATCH', `/tenants/devices/${laptop}/deactivate`);
  assert.deepEqual((await overview()).devices, { total: 1, online: 0 });
  await app.request('DELETE', `/tenants/devices/${laptop}`);
  assert.deepEqual((await overview()).devices, { total: 0, online: 0 });
});

test('figures that are followed again go on with the events', async (t) => {
  const { app, second } = await openLiveApp(t);
  const live = await openLive(t, app);
  await live.follow({ overview: true });
  assert.deepEqual((await live.next())?.overview?.devices, { total: 0, online: 0 });
  await live.follow({ overview: false });
  const { id: gateway } = await makers(app).gateway('Berlin');
  const { id } = await makers(app).device('phone');
  second();
  await live.next();
  await live.follow({ statistics: [gateway], overview: true });
  second();
  assert.deepEqual((await live.next())?.overview?.devices, { total: 1, online: 0 });
  app.channel.handshakes.set(id, app.clock.now);
  app.channel.report(id, 'handshake');
  app.channel.report(gateway, 'report');
  second();
  assert.deepEqual((await live.next())?.overview?.devices, { total: 1, online: 1 });
});

test('a stream resumes after a revision, and says when it cannot', async (t) => {
  const { app } = await openLiveApp(t);
  const from = await revisionOf(app);
  const { id } = await makers(app).gateway('Berlin');
  const resumed = await openLive(t, app, { query: `?since=${from}` });
  assert.deepEqual([resumed.first.revision, resumed.first.reload], [from, undefined]);
  assert.deepEqual((await resumed.next())?.changes, [{ kind: 'gateway', id, op: 'create' }]);
  const future = await openLive(t, app, { query: `?since=${from + 9}` });
  assert.deepEqual([future.first.revision, future.first.reload], [from + 1, true]);
  assert.equal((await app.request('GET', '/tenants/live?since=x')).json.code, 'invalid_request');
  const headers = { 'last-event-id': 'x' };
  assert.equal((await app.request('GET', '/tenants/live', { headers })).json.code, 'invalid_request');
});

test('too many changes at once are left out, and the client is told to read again', async (t) => {
  const { app } = await openLiveApp(t);
  const live = await openLive(t, app);
  const context = {
    tenant: app.tenant.id,
    actor: { kind: 'system', id: null, name: 'test' },
    action: 'test',
    sourceIp: null,
    requestId: null,
  } as const;
  await app.store.write(context, async (tx) => {
    for (let n = 0; n <= 1000; n++)
      tx.changed({ kind: 'gateway', id: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`, op: 'update' });
  });
  const message = await live.next();
  assert.deepEqual([message?.reload, message?.changes], [true, undefined]);
  assert.equal(message?.revision, await revisionOf(app));
});

test('a client that has missed everything gets the latest state only', async (t) => {
  const { app, second } = await openLiveApp(t);
  const { id } = await makers(app).gateway('Berlin');
  const live = await openLive(t, app);
  await live.follow({ gateways: [id] });
  await live.next();
  for (let n = 0; n < 50; n++) app.channel.show(id, { ...present, error: `error ${n}` });
  second();
  assert.deepEqual((await live.next())?.gateways, [{ id, status: 'ERROR', error: 'error 49' }]);
});
