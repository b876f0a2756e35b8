import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { Scenario } from '../lab/scenario.ts';

const skip = whyNoNamespaces() ?? false;

test('the end of a grant ends established flows', { skip }, async (t) => {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  const web = await s.world.host('web');
  await web.listenTcp(7000);
  const resource = await s.resource('web', ['10.20.0.10'], ['TCP 7000', 'ICMP']);
  const laptop = await s.controller.addDevice('laptop');
  const allow = await s.policy('laptop to web', { devices: [laptop.id], resources: [resource] });
  const device = await s.deviceUp('laptop', laptop);
  await until('the tunnel', async () => (await device.ping('10.20.0.10')) === 'ok');

  await t.test('revoking a grant ends an established TCP flow in both directions', async () => {
    await device.startStream('flow', '10.20.0.10', 7000);
    await until('echoes', async () => (await device.stream('flow')).received > 10);
    await s.controller.call('deletePolicy', { params: { id: allow } });
    await s.converged();
    await until('silence', async () => (await device.stream('flow')).silentMs > 1000);
    const { received } = await device.stream('flow');
    assert.equal((await device.stopStream('flow')).received, received, 'nothing came back after the cut');
    assert.notEqual(await device.tcp('10.20.0.10', 7000, { timeoutMs: 700 }), 'ok');
  });

  await t.test('a deny above an allow ends access, and removing it restores access', async () => {
    await s.policy('laptop to web', { devices: [laptop.id], resources: [resource] });
    // This is earlier than WireGuard's timeout of a dead session (15 s): the gateway remembers the device's endpoint
    // and sends first.
    await until('reachable', async () => (await device.tcp('10.20.0.10', 7000, { timeoutMs: 500 })) === 'ok', {
      timeoutMs: 12_000,
    });
    const deny = await s.policy('nobody', { action: false, allDevices: true, resources: [resource] });
    const policies = (await s.controller.call('listPolicies'))
      .filter((p) => p.type === 'PRIVATE' && !p.isDefault)
      .map((p) => p.id);
    await s.controller.call('reorderPolicies', {
      body: { type: 'PRIVATE', policies: [deny, ...policies.filter((id) => id !== deny)] },
    });
    await s.converged();
    assert.notEqual(await device.tcp('10.20.0.10', 7000, { timeoutMs: 700 }), 'ok');
    await s.controller.call('deletePolicy', { params: { id: deny } });
    await until('reachable', async () => (await device.tcp('10.20.0.10', 7000, { timeoutMs: 500 })) === 'ok', {
      timeoutMs: 30_000,
    });
  });

  await t.test('a flushed ruleset closes access without the agent, and the agent restores it', async () => {
    const space = s.world.space('gateway');
    s.gateway.daemon.child.kill('SIGSTOP');
    await space.nft('flush ruleset');
    assert.notEqual(await device.tcp('10.20.0.10', 7000, { timeoutMs: 700 }), 'ok', 'closed');
    assert.notEqual(await device.ping('10.20.0.11', { timeoutMs: 400 }), 'ok', 'closed for everything');
    s.gateway.daemon.child.kill('SIGCONT');
    await until('mended', async () => (await device.tcp('10.20.0.10', 7000, { timeoutMs: 500 })) === 'ok', {
      timeoutMs: 45_000,
    });
    await space.nft('flush ruleset');
    await until('mended again', async () => (await space.exec('nft', 'list', 'tables')).includes(s.gateway.interface));
    await until('open again', async () => (await device.tcp('10.20.0.10', 7000, { timeoutMs: 500 })) === 'ok');
  });

  await t.test('deactivating a device ends its access, and reactivating restores it', async () => {
    await s.controller.call('deactivateDevice', { params: { id: laptop.id } });
    await s.converged();
    assert.notEqual(await device.ping('10.20.0.10', { timeoutMs: 700 }), 'ok');
    await s.controller.call('reactivateDevice', { params: { id: laptop.id } });
    await until('back', async () => (await device.ping('10.20.0.10', { timeoutMs: 500 })) === 'ok', {
      timeoutMs: 30_000,
    });
  });
});
