import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bundleItem, profileItem } from '@sallyport/agent-core/testing';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { deployableWorld, reachable, stillReachable } from './testing/waits.ts';
import { serverAddress, serverAddress6 } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;
/** Long enough to apply the limit and to see packets pass before its end, also on a busy machine. */
const windowMs = 10_000;
const cells = (expiresAt: number | null) => profileItem('p1', [{ class: 'c1', bundle: 'b1', expiresAt }]);
const ports = bundleItem('b1', [
  { protocol: 'tcp', from: 80, to: 80, policy: 'web' },
  { protocol: 'udp', from: 80, to: 80, policy: 'web' },
]);

test('repeated extensions of a time limit do not interrupt a stream', { skip }, async (t) => {
  const made = await deployableWorld(t);
  const { controller, device } = made;
  made.startAgent();
  await controller.change([ports, cells(Date.now() + 60_000), made.deviceItem({ expiresAt: Date.now() + 60_000 })]);
  await made.applied();
  await made.deviceUp();
  await until('the tunnel', () => reachable(made));
  const { hash } = await controller.state();
  await device.startDatagrams('v4', serverAddress, 80, 2);
  await device.startDatagrams('v6', serverAddress6, 80, 2);
  let limit = 0;
  for (let renewal = 0; renewal < 40; renewal++) {
    limit = Date.now() + 60_000 + renewal;
    const state = await controller.change([cells(limit), made.deviceItem({ expiresAt: limit })]);
    assert.equal(state.hash, hash, 'the state is the same');
    await made.applied();
  }
  const elements = await made.gateway.exec('nft', '-j', 'list', 'table', 'inet', `sallyport_${made.interface}`);
  const limits = [...elements.matchAll(/"expires": (\d+)/g)].map((match) => Number(match[1]));
  const soonest = Math.floor((limit - Date.now()) / 1000) - 1;
  assert.ok(limits.length >= 3 && limits.every((seconds) => seconds >= soonest), `${limits} reached the kernel`);
  for (const id of ['v4', 'v6']) {
    const stream = await device.stopStream(id);
    assert.ok(stream.sent > 500, `${stream.sent} sent`);
    assert.equal(stream.received, stream.sent);
  }
  assert.ok(!made.agent.output.includes('are reverted'));
});

for (const [what, limited] of [
  ['a device', (expiresAt: number) => ({ device: expiresAt, cell: null })],
  ['a cell', (expiresAt: number) => ({ device: null, cell: expiresAt })],
] as const) {
  test(`${what} with a limit closes on time, with agent and controller dead`, { skip }, async (t) => {
    const made = await deployableWorld(t);
    const { controller, device } = made;
    made.startAgent();
    await controller.change([ports]);
    await made.applied();
    await made.deviceUp();
    await until('the tunnel', () => reachable(made));
    const end = Date.now() + windowMs;
    const limits = limited(end);
    await controller.change([cells(limits.cell), made.deviceItem({ expiresAt: limits.device })]);
    await made.applied();
    await made.agent.kill('SIGKILL');
    await controller.kill();
    await device.startDatagrams('s', serverAddress, 80, 5);
    await until('echoes', async () => (await device.stream('s')).received > 5);
    await until('silence', async () => (await device.stream('s')).silentMs > 1_000);
    // Judged by the time of sending, because a busy machine reads answers late.
    const { echoedSentAt } = await device.stream('s');
    const last = echoedSentAt ?? 0;
    t.diagnostic(`the last datagram that was answered was sent ${end - last} ms before the end`);
    // A busy machine gives the kernel the limit late, and pauses for a second. The exact time is printed above.
    assert.ok(last <= end + 1_000, `${last - end} ms too late`);
    assert.ok(last > end - windowMs / 2, `${end - last} ms too early`);
    assert.equal(await reachable(made), false);
  });
}

test('a permanent grant outlives a window of the same cell, with agent and controller dead', {
  skip,
}, async (t) => {
  const made = await deployableWorld(t);
  const { controller, device } = made;
  made.startAgent();
  const lasting = bundleItem('b2', [{ protocol: 'udp', from: 80, to: 80, policy: 'web' }]);
  await controller.change([ports, lasting]);
  await made.applied();
  await made.deviceUp();
  await until('the tunnel', () => reachable(made));
  const end = Date.now() + windowMs;
  const cell = { class: 'c1', bundle: 'b1', expiresAt: end, after: [{ bundle: 'b2', expiresAt: null }] };
  await controller.change([profileItem('p1', [cell])]);
  await made.applied();
  assert.equal(await stillReachable(made), true);
  await made.agent.kill('SIGKILL');
  await controller.kill();
  await device.startDatagrams('lasting', serverAddress, 80, 5);
  await until('the end of the window', async () => Date.now() > end && !(await reachable(made)));
  const { received } = await device.stream('lasting');
  await until('echoes after the window', async () => (await device.stream('lasting')).received > received + 20);
  const { sent, received: answered } = await device.stopStream('lasting');
  assert.ok(sent - answered <= 1, `${answered} of ${sent} were answered`);
});

test('timeouts of a wrong clock are corrected when the controller tells the time', { skip }, async (t) => {
  const made = await deployableWorld(t);
  const { controller, device } = made;
  made.startAgent();
  const hour = 3_600_000;
  await controller.change([ports, cells(Date.now() + hour + 5_000)]);
  await made.applied();
  await made.deviceUp();
  await until('the tunnel', () => reachable(made));
  const end = Date.now() + windowMs;
  await controller.change([cells(end + hour)]);
  await made.applied();
  await device.startDatagrams('s', serverAddress, 80, 5);
  await controller.call({ op: 'lease', leaseMs: 24 * hour, aheadMs: hour });
  await until('the timeouts to be right', async () => {
    const table = await made.gateway.exec('nft', '-j', 'list', 'table', 'inet', `sallyport_${made.interface}`);
    return [...table.matchAll(/"name": "cells_[abc]".*?"expires": (\d+)/g)].some((match) => Number(match[1]) < 60);
  });
  await made.agent.kill('SIGKILL');
  await controller.kill();
  await until('the end of the window', async () => Date.now() > end && !(await reachable(made)));
  const stream = await device.stopStream('s');
  assert.ok(stream.received > 0);
});
