import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatewayItem } from '@sallyport/agent-core/testing';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { deployableWorld, reachable } from './testing/waits.ts';
import { lastHeard, serverAddress, wireguardPort } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;

test('intents and settings', { skip }, async (t) => {
  const made = await deployableWorld(t);
  made.startAgent();
  await made.applied();
  await made.deviceUp();
  await until('the tunnel', () => reachable(made));

  await t.test('OFFLINE: no peers, no grants, and back', async () => {
    await made.controller.change([gatewayItem({ listenPort: wireguardPort, intent: 'OFFLINE' })]);
    await made.applied();
    assert.equal(await reachable(made), false);
    await until('safe to stop', async () => (await lastHeard(made.controller, 'heartbeat')).safeToStop);
    await made.controller.change([gatewayItem({ listenPort: wireguardPort })]);
    await made.applied();
    // The peer returned with its last endpoint, so the gateway sends first.
    await until('the tunnel', () => reachable(made));
  });

  await t.test('MAINTENANCE: flows continue, new flows are refused, and an idle gateway is safe to stop', async () => {
    await made.device.startStream('s', serverAddress, 80);
    await until('echoes', async () => (await made.device.stream('s')).received > 5);
    await made.controller.change([gatewayItem({ listenPort: wireguardPort, intent: 'MAINTENANCE' })]);
    await made.applied();
    const { received } = await made.device.stream('s');
    await until('more echoes', async () => (await made.device.stream('s')).received > received + 10);
    await until('not safe to stop', async () => !(await lastHeard(made.controller, 'heartbeat')).safeToStop);
    assert.equal(await reachable(made), false);
    await made.device.stopStream('s');
    await until('safe to stop', async () => (await lastHeard(made.controller, 'heartbeat')).safeToStop);
  });

  await t.test('another port moves the listener', async () => {
    await made.controller.change([gatewayItem({ listenPort: wireguardPort + 1, mtu: 1300 })]);
    await made.applied();
    const sockets = await made.gateway.exec('ss', '-lun');
    assert.match(sockets, new RegExp(`:${wireguardPort + 1}\\b`));
    assert.doesNotMatch(sockets, new RegExp(`:${wireguardPort}\\b`));
    assert.match(await made.gateway.ip('link', 'show', made.interface), /mtu 1300/);
  });
});
