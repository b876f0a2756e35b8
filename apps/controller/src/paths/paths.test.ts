import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { until } from '../channel/testing/manual-time.ts';
import { absent } from '../testing/channel.ts';
import { agentOf, openPaths, put, relaying, seen } from './testing/open-paths.ts';

test('both agents are told to send to the place where the other is seen; a question comes through the channel', async (t) => {
  const { app, paths, mappings, gateway, device, connect } = await openPaths(t);
  const [g, d] = [await gateway('g', { endpoint: 'vpn.example.com' }), await device()];
  connect(d, g);
  mappings.set(d, seen('198.51.100.7:4500'));
  mappings.set(g, seen('203.0.113.1:51820'));
  app.channel.findPath(agentOf(app, d), { peer: g, relay: false });
  await until(() => app.channel.punches.length === 2, 'both are told');
  assert.deepEqual(app.channel.punches, [
    [g, d, ['198.51.100.7:4500']],
    [d, g, ['203.0.113.1:51820', 'vpn.example.com:51820']],
  ]);
  assert.equal(paths.counters.punches, 2);
});

test('an agent without an endpoint causes no message to the peer; the row counts until the beacon sees the agent', async (t) => {
  const { app, mappings, gateway, device, connect, find } = await openPaths(t);
  const [g, d] = [await gateway('g', { endpoint: 'vpn.example.com' }), await device()];
  connect(d, g);
  await find(d, g);
  assert.equal(app.channel.punches.length, 0);
  await put(app, 'device', d, { mapped_endpoint: '192.0.2.9:9' });
  mappings.set(d, { kind: 'dependent' });
  await find(d, g);
  assert.equal(app.channel.punches.length, 0);
  mappings.delete(d);
  await find(d, g);
  assert.deepEqual(app.channel.punches[0], [g, d, ['192.0.2.9:9']]);
  app.channel.presences.set(g, absent);
  await find(d, g);
  assert.equal(app.channel.punches.length, 2);
});

test('a request is served again when the beacon soon sees either end for the first time or elsewhere', async (t) => {
  const { app, paths, mappings, gateway, device, connect, find } = await openPaths(t);
  const [g, d] = [await gateway('g'), await device()];
  connect(d, g);
  await find(d, g);
  assert.equal(app.channel.punches.length, 0);
  mappings.set(d, seen('198.51.100.7:4500'));
  await paths.mapped(d);
  assert.deepEqual(app.channel.punches, [[g, d, ['198.51.100.7:4500']]]);
  mappings.set(g, seen('203.0.113.1:49772'));
  await paths.mapped(g);
  assert.deepEqual(app.channel.punches.slice(1), [
    [g, d, ['198.51.100.7:4500']],
    [d, g, ['203.0.113.1:49772']],
  ]);
  app.clock.now += 3_001;
  for (const end of [d, g]) await paths.mapped(end);
  assert.equal(app.channel.punches.length, 3);
});

test('moves of an agent that moves with every packet are told at intervals', async (t) => {
  const { app, paths, mappings, gateway, device, connect, find } = await openPaths(t);
  const d = await device();
  for (const g of [await gateway('g'), await gateway('h')]) {
    connect(d, g);
    await find(d, g);
  }
  for (let port = 1; port <= 100; port++) {
    mappings.set(d, seen(`198.51.100.7:${port}`));
    await paths.mapped(d);
  }
  assert.equal(app.channel.punches.length, 2);
  app.clock.now += 450;
  await paths.mapped(d);
  assert.deepEqual(app.channel.punches[2]?.[2], ['198.51.100.7:100']);
});

test('strangers learn nothing and cause no messages, and repeated requests are limited', async (t) => {
  const { app, paths, mappings, gateway, device, connect, find, pairs } = await openPaths(t);
  const [g, d] = [await gateway('g', { endpoint: 'vpn.example.com' }), await device()];
  await gateway('relay', relaying);
  mappings.set(d, seen('198.51.100.7:4500'));
  await find(d, g, true);
  await find(d, randomUUID(), true);
  assert.deepEqual([app.channel.punches.length, await pairs()], [0, []]);
  connect(d, g);
  await find(d, g);
  await paths.find(agentOf(app, d), { peer: g, relay: false });
  assert.deepEqual(paths.counters.requests, { served: 1, rate: 1, stranger: 2 });
  await paths.find(agentOf(app, d), { peer: g, relay: true });
  assert.equal((await pairs()).length, 1);
});

test('the metrics count the work of the beacon and of paths', async (t) => {
  const { app, gateway, device } = await openPaths(t);
  const [g, d] = [await gateway('g'), await device()];
  app.channel.findPath(agentOf(app, d), { peer: g, relay: true });
  const refused = /^sallyport_path_requests_total\{outcome="stranger"\} 1$/m;
  while (!refused.test(await app.metrics())) await new Promise((resolve) => setImmediate(resolve));
  const text = await app.metrics();
  for (const row of [
    'sallyport_beacon_handshakes_total 0',
    'sallyport_beacon_agents{mapping="independent"} 0',
    'sallyport_path_punches_total 0',
    'sallyport_relay_requests_total{outcome="exhausted"} 0',
  ])
    assert.ok(text.includes(`\n${row}\n`), row);
});
