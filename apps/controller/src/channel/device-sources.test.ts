import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceSources } from './device-sources.ts';
import { startChannel } from './testing/harness.ts';
import { until } from './testing/manual-time.ts';
import { deviceItem, gatewayItem } from './testing/memory-states.ts';
import { newAgent, ScriptedAgent } from './testing/scripted-agent.ts';

const report = (gateway: string, endpoint: string, handshake: number) => ({
  device: 'd',
  gateway,
  endpoint,
  handshake,
});

test('an address is reported once, in canonical form, and again when it changes', () => {
  const sources = new DeviceSources(10);
  assert.equal(sources.seen(report('g', '198.51.100.7:1234', 1000)), '198.51.100.7');
  assert.equal(sources.seen(report('g', '198.51.100.7:9999', 10_000)), null, 'another port is the same address');
  assert.equal(sources.seen(report('g', '[2001:DB8::0:7]:1', 20_000)), '2001:db8::7');
  assert.equal(sources.seen(report('g', '[::ffff:198.51.100.8]:1', 30_000)), '198.51.100.8');
  assert.equal(sources.seen(report('g', '[::FFFF:c633:6407]:1', 35_000)), '198.51.100.7', 'the mapped form in hex');
  for (const endpoint of ['[fe80::1%eth0]:1', 'host.example:1', 'nonsense', ''])
    assert.equal(sources.seen(report('g', endpoint, 40_000)), null, endpoint);
});

test('the first gateway is believed while the session with it lasts, so that the address does not jump', () => {
  const sources = new DeviceSources(10);
  assert.equal(sources.seen(report('outside', '198.51.100.7:1', 1000)), '198.51.100.7');
  assert.equal(sources.seen(report('inside', '10.0.0.7:1', 181_000)), null);
  assert.equal(sources.seen(report('outside', '198.51.100.9:1', 6000)), '198.51.100.9', 'it sees the device roam');
  assert.equal(sources.seen(report('inside', '10.0.0.7:1', 186_000)), null);
  assert.equal(sources.seen(report('inside', '10.0.0.7:1', 186_001)), '10.0.0.7');
});

test('an endpoint that packets of a session have moved does not count before a handshake comes from there', () => {
  const sources = new DeviceSources(10);
  assert.equal(sources.seen(report('g', '198.51.100.7:1', 100_000)), '198.51.100.7');
  assert.equal(sources.seen(report('g', '203.0.113.9:1', 100_000)), null);
  assert.equal(
    sources.seen(report('g', '203.0.113.9:1', 100_400)),
    null,
    'the same handshake, after the clocks were compared again',
  );
  assert.equal(sources.seen(report('g', '198.51.100.7:1', 100_000)), null);
  assert.equal(sources.seen(report('g', '203.0.113.9:1', 220_000)), '203.0.113.9');
});

test('the address of a native device does not contradict where its channel comes from', () => {
  const believed = (endpoint: string, channel: string | null | undefined) =>
    new DeviceSources(10).seen(report('g', endpoint, 1000), channel) !== null;
  assert.equal(believed('198.51.100.7:1', '203.0.113.9'), false);
  assert.equal(believed('198.51.100.7:1', '198.51.100.7'), true);
  assert.equal(believed('198.51.100.7:1', '::ffff:198.51.100.7'), true);
  assert.equal(believed('198.51.100.7:1', null), false, 'the channel is cut');
  assert.equal(believed('198.51.100.7:1', undefined), true, 'a plain device has none');
  assert.equal(believed('192.168.1.7:1', '198.51.100.7'), true, 'a gateway in its own network');
  assert.equal(believed('198.51.100.7:1', '2001:db8::7'), true, 'another family');
  assert.equal(believed('[2001:db8::7]:1', '2001:db8::8'), true, 'one network');
  assert.equal(believed('[2001:db8:1::7]:1', '2001:db8::7'), false);
  const sources = new DeviceSources(10);
  assert.equal(sources.seen(report('g', '198.51.100.7:1', 1000), '198.51.100.7'), '198.51.100.7');
  assert.equal(sources.seen(report('g', '203.0.113.9:1', 200_000), undefined), null, 'forgotten, and native still');
});

test('the address of a native device is that of its channel, or a private one in a gateway’s own network', () => {
  const source = (endpoint: string, channel: string) =>
    new DeviceSources(10).seen(report('g', endpoint, 1000), channel);
  assert.equal(source('203.0.113.66:1', '2001:db8::7'), '2001:db8::7', 'a forged address of the other family');
  assert.equal(source('[2001:db8::66]:1', '198.51.100.7'), '198.51.100.7');
  assert.equal(source('[2001:db8::66]:1', '2001:db8::7'), '2001:db8::7', 'its neighbour');
  assert.equal(source('203.0.113.66:1', '10.0.0.7'), '10.0.0.7', 'the controller is in its network');
  assert.equal(source('192.168.1.66:1', '10.0.0.7'), '10.0.0.7');
  assert.equal(source('192.168.1.7:1', '198.51.100.7'), '192.168.1.7');
  const sources = new DeviceSources(10);
  assert.equal(sources.seen(report('g', '198.51.100.7:1', 1000), '2001:db8::7'), '2001:db8::7');
  assert.equal(sources.seen(report('g', '203.0.113.9:1', 200_000), '2001:db8::7'), null, 'nothing has moved');
});

test('a bounded number of devices is remembered, those with the latest reports', () => {
  const sources = new DeviceSources(2);
  const seen = (device: string) => sources.seen({ ...report('g', '198.51.100.7:1', 1000), device });
  for (const device of ['a', 'b']) assert.notEqual(seen(device), null);
  assert.equal(seen('a'), null);
  assert.notEqual(seen('c'), null);
  assert.equal(seen('a'), null);
  assert.notEqual(seen('b'), null, 'it was forgotten');
});

test('a heartbeat reports the sources of devices: at once, and in batches to the directory', async (t) => {
  const moved: string[][] = [];
  const h = await startChannel(t, { deviceMoved: (...what) => void moved.push(what) });
  const { id, token } = h.gateway([gatewayItem(), deviceItem('a'), deviceItem('b')]);
  const agent = await ScriptedAgent.connect(h.port, newAgent(id, token));
  await agent.expect('snapshot');
  const peer = (id: string, endpoint: string | null, lastHandshake: number | null = h.time.clock()) => ({
    peer: id,
    endpoint,
    lastHandshake,
    rxBytes: 1,
    txBytes: 1,
  });
  const { tenant } = h.directory.row(id);
  agent.beat(h.time.clock(), {
    peers: [
      peer('b', '198.51.100.8:1', null),
      peer('stranger', '198.51.100.9:1'),
      peer('b', null),
      peer('a', '198.51.100.7:1'),
    ],
  });
  await until(() => moved.length > 0, 'a device moves');
  agent.beat(h.time.clock(), { peers: [peer('a', '198.51.100.7:2'), peer('b', '198.51.100.8:1')] });
  await until(() => moved.length > 1, 'another device moves');
  assert.deepEqual(moved, [
    [tenant, 'a', '198.51.100.7'],
    [tenant, 'b', '198.51.100.8'],
  ]);
  assert.equal(h.directory.sources.size, 0);
  h.directory.broken = true;
  h.time.advance(60_000);
  await until(() => h.warnings().length > 0, 'the directory refuses');
  h.directory.broken = false;
  await h.channel.stop();
  assert.deepEqual(Object.fromEntries(h.directory.sources), {
    [`${tenant}/a`]: '198.51.100.7',
    [`${tenant}/b`]: '198.51.100.8',
  });
});
