import assert from 'node:assert/strict';
import { test } from 'node:test';
import { monotonicMs, RequestStream, until, whyNoNamespaces } from '@sallyport/testkit';
import { makeResource } from '../lab/administration.ts';
import { PathsScenario } from '../lab/paths-scenario.ts';

const skip = whyNoNamespaces() ?? false;

const plan = {
  nats: { home: {} },
  hosts: { laptop: 'home', gate: 'internet', far: 'internet' },
  lans: { office: ['gate'] },
  gateways: { gate: { endpoint: true } },
} as const;

test('sally up: a device reaches allowed destinations, reports its status, and leaves nothing behind', {
  skip,
}, async (t) => {
  const s = await PathsScenario.create(plan);
  t.after(() => s.cleanup.run());
  const server = s.lab.address('office-web');
  await s.open('office', ['gate']);
  const closed = (name: string, address: string) => {
    const gateways = [s.gateway('gate').id];
    return makeResource(s.controller, { name, addresses: [address], ports: ['TCP 443'], gateways });
  };
  const vault = await closed('vault', '10.20.0.77');
  await closed('secret', '10.20.0.78');
  const rule = await s.controller.call('createAdmissionRule', {
    body: { name: 'Encrypted', rule: 'posture.neverHeardOf == true', hasTimeConstraint: false, timeZone: 'UTC' },
  });
  await s.policy('encrypted to vault', { allDevices: true, resources: [vault], rule: rule.id });
  await (await s.server('office')).listenTcp(81);
  const before = await traces(s);
  const laptop = await s.clientUp('laptop');
  const stream = await RequestStream.start(laptop.host, s.url('office'), { everyMs: 30, timeoutMs: 500 });
  await laptop.is('connected', ({ controller, current }) => controller.connected && current);

  await t.test('its requests arrive, masqueraded by the gateway; closed ports and hosts stay closed', async () => {
    const { body } = await stream.answered(0);
    assert.equal(body, s.lab.lanAddress('gate'));
    assert.notEqual(await laptop.host.tcp(server, 81, { timeoutMs: 500 }), 'ok');
    assert.notEqual(await laptop.host.tcp('10.20.0.77', 443, { timeoutMs: 500 }), 'ok');
    assert.notEqual(await laptop.host.ping(s.lab.lanAddress('gate'), { timeoutMs: 500 }), 'ok');
  });

  await t.test('status: gateways, routes, resources and what denies them; ping and netcheck', async () => {
    const gate = s.gateway('gate').id;
    const status = await laptop.is('a direct path', ({ gateways: [first] }) => {
      return first?.path === 'direct' && first.rttMs !== null && first.lastHandshake !== null;
    });
    assert.equal(status.device, laptop.id);
    assert.equal(status.gateways[0]?.id, gate);
    assert.equal(status.gateways[0]?.name, 'gate');
    assert.equal(status.routes.find(({ prefix }) => prefix.startsWith(server))?.carrier, gate);
    assert.equal(status.resources.find(({ name }) => name === 'office')?.denied, null);
    assert.match(status.resources.find(({ name }) => name === 'vault')?.denied ?? '', /rule is not met.*neverHeardOf/);
    assert.equal(
      status.resources.find(({ name }) => name === 'secret'),
      undefined,
      'the status omits resources that no policy names',
    );
    const ping = await laptop.ping('office');
    assert.equal(ping.gateway?.id, gate);
    assert.equal(ping.path, 'direct');
    assert.ok(ping.gatewayRttMs !== null);
    const json = JSON.parse(await laptop.run('status', '--json'));
    assert.equal(json.device.device, laptop.id);
    assert.match(await laptop.run('status'), /gate/);
    assert.match(await laptop.run('netcheck'), /controller/i);
  });

  await t.test('the API reports the device, its path and its posture', async () => {
    const device = await until('the device with its path', async () => {
      const found = await s.controller.call('getDevice', { params: { id: laptop.id } });
      return found.paths?.[0]?.via === 'DIRECT' && Object.keys(found.posture ?? {}).length > 0 ? found : null;
    });
    assert.equal(device.kind, 'NATIVE');
    assert.equal(device.connected, true);
    assert.equal(device.name, 'laptop');
  });

  await t.test('kill -9 of the client and its restart lose no request', async () => {
    const from = monotonicMs();
    await laptop.daemon.kill('SIGKILL');
    await stream.answered(monotonicMs() + 500);
    laptop.start();
    await laptop.is('to be back', ({ pid, gateways }) => pid !== null && gateways[0]?.path === 'direct');
    const failed = (await stream.samples()).filter(({ at, error }) => at >= from && error !== undefined);
    assert.deepEqual(failed, []);
  });

  await t.test('the client works without a controller, also after a cold start', async () => {
    await s.lab.cut('controller');
    await laptop.down();
    laptop.start();
    const { body } = await stream.answered(monotonicMs(), undefined, 30_000);
    assert.equal(body, s.lab.lanAddress('gate'));
    await s.lab.restore('controller');
    await laptop.is('the controller', ({ controller }) => controller.connected, 60_000);
  });

  await t.test('removing a policy closes access at once, and the status says why', async () => {
    const policies = await s.controller.call('listPolicies');
    const params = { id: policies.find(({ name }) => name === 'everybody to office')?.id ?? '' };
    await s.controller.call('deletePolicy', { params });
    await laptop.is('the denial', ({ resources }) => resources.find(({ name }) => name === 'office')?.denied !== null);
    // The gateway hears of it at the same moment as the device, and closes for itself.
    await until('the way to close', async () => (await laptop.host.tcp(server, 80, { timeoutMs: 500 })) !== 'ok');
    assert.notEqual(await laptop.host.tcp(server, 80, { timeoutMs: 500 }), 'ok');
  });

  await t.test('sally down restores the host', async () => {
    assert.notDeepEqual(await traces(s), before);
    await laptop.down();
    assert.deepEqual(await traces(s), before);
  });
  await stream.stop();
});

test('full tunnel: all traffic uses the access point, until the policy is removed', { skip }, async (t) => {
  const s = await PathsScenario.create(plan);
  t.after(() => s.cleanup.run());
  // A public address, as policies define it, on a host that only the gateway can route to.
  const publicAddress = '11.1.1.10';
  await s.lab.space('far').ip('addr', 'add', `${publicAddress}/32`, 'dev', 'lo');
  await s.lab.space('gate').ip('route', 'add', publicAddress, 'via', s.lab.address('far'));
  await (await s.lab.host('far')).listenHttpSource(80);
  await s.open('office', ['gate']);
  const laptop = await s.clientUp('laptop');
  const inside = await RequestStream.start(laptop.host, s.url('office'), { timeoutMs: 500 });
  await inside.answered(0);
  assert.notEqual(await laptop.host.tcp(publicAddress, 80, { timeoutMs: 500 }), 'ok', 'split: not in the tunnel');

  const policy = await s.policy('through the office', {
    ...{ type: 'INTERNET', mode: 'INTERNET_ACCESS_POINT' },
    ...{ devices: [laptop.id], gateways: [s.gateway('gate').id] },
  });
  const stream = await RequestStream.start(laptop.host, `http://${publicAddress}/`, { timeoutMs: 500 });
  assert.equal((await stream.answered(0)).body, s.lab.address('gate'));
  await inside.answered(monotonicMs());
  await laptop.is('to be connected still', ({ controller }) => controller.connected);

  await s.controller.call('deletePolicy', { params: { id: policy } });
  await until('the way to close', async () => (await laptop.host.tcp(publicAddress, 80, { timeoutMs: 300 })) !== 'ok');
  await inside.answered(monotonicMs());
});

/** Returns everything that a client changes on its host. */
async function traces(s: PathsScenario<'laptop' | 'gate' | 'far'>): Promise<string[]> {
  const space = s.lab.space('laptop');
  return Promise.all([
    space.ip('-br', 'link'),
    space.ip('rule'),
    space.ip('-6', 'rule'),
    space.ip('route', 'show', 'table', 'all'),
    space.exec('nft', 'list', 'ruleset'),
    space.exec('cat', '/etc/resolv.conf'),
  ]);
}
