import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import { address, changesOf, device, gateway, policy, resource, rule, settings, tcp } from '../../testing/build.ts';
import type { DestinationProtocol, PortRange, WorldPolicy } from '../../types.ts';
import { TenantCompiler } from '../compiler.ts';

type Objects = Parameters<typeof changesOf>[0];

const laptop = device('d1', { native: true });
const gateways = [gateway('g1'), gateway('g2'), gateway('g3')];
const all = policy('all', 9, { allDevices: true, allResources: true });

function following(objects: Objects, given: Partial<typeof settings> = {}, at = 0): TenantCompiler {
  const compiler = new TenantCompiler({ ...settings, ...given });
  compiler.apply(changesOf({ gateways, devices: [laptop], ...objects }), at);
  compiler.follow('d1');
  return compiler;
}

function ofKind<K extends StateItem['kind']>(compiler: TenantCompiler, kind: K, agent = 'd1') {
  return compiler.items(agent).filter((item): item is StateItem & { kind: K } => item.kind === kind);
}

const routes = (compiler: TenantCompiler) =>
  Object.fromEntries(ofKind(compiler, 'route').map(({ id, mode, gateways: by }) => [id, `${mode} ${by.join(' ')}`]));
const denied = (compiler: TenantCompiler) =>
  Object.fromEntries(ofKind(compiler, 'resource').map(({ id, denied: why }) => [id, why]));

test('a route has all gateways of its resource in order, drained ones included, except those out of service', () => {
  const compiler = following({
    gateways: [
      gateway('g1', { intent: 'MAINTENANCE', failing: true }),
      gateway('g2', { failing: true }),
      gateway('g3', { intent: 'OFFLINE' }),
      gateway('g4', { publicKey: null }),
      gateway('g5'),
    ],
    resources: [
      resource('wiki', ['10.0.0.0/24'], { gateways: ['g4', 'g2', 'g1', 'g3'] }),
      resource('git', ['10.0.1.1'], { gateways: ['g1', 'g2'], mode: 'AUTOMATIC' }),
    ],
    policies: [all],
  });
  assert.deepEqual(routes(compiler), { '10.0.0.0/24': 'MANUAL g2 g1', '10.0.1.1/32': 'AUTOMATIC g1 g2' });
  assert.deepEqual(
    ofKind(compiler, 'peer').map(({ id, standing, expiresAt }) => [id, standing, expiresAt]),
    [
      ['g2', 'ERROR', null],
      ['g1', 'MAINTENANCE', null],
    ].sort(),
  );
});

test('the target of a route is the lowest TCP port that the resource names and a policy opens', () => {
  const targets = (addresses: Parameters<typeof resource>[1]) => {
    const compiler = following({
      resources: [
        resource('web', addresses, { gateways: ['g1', 'g2'] }),
        resource('closed', [address('10.0.0.9', [tcp(22)])], { gateways: ['g1', 'g2'] }),
      ],
      policies: [policy('closed', 1, { allow: false, allDevices: true, resources: ['closed'] }), all],
    });
    const web = ofKind(compiler, 'route').filter(({ resources }) => resources.includes('web'));
    return Object.fromEntries(web.map(({ id, target }) => [id, target]));
  };
  assert.deepEqual(targets([address('10.0.0.1', [tcp(443), tcp(22)])]), { '10.0.0.1/32': 22 });
  assert.deepEqual(targets([address('10.0.0.9', [tcp(443), tcp(22)])]), { '10.0.0.9/32': 443 });
  assert.deepEqual(targets([address('fd00::1', [tcp(443)])]), { 'fd00::1/128': 443 });
  const udp: PortRange = { protocol: 'udp', from: 53, to: 53 };
  assert.deepEqual(targets([address('10.0.0.1', [tcp(8000, 9000), udp])]), { '10.0.0.1/32': undefined });
  assert.deepEqual(targets([address('10.0.0.0/31', [tcp(443)])]), { '10.0.0.0/31': undefined });
  const pair = [address('10.0.0.2', [tcp(443)]), address('10.0.0.3', [tcp(443)])];
  assert.deepEqual(targets(pair), { '10.0.0.2/32': 443, '10.0.0.3/32': 443 });
  const many = Array.from({ length: 64 }, (_, n) => address(`10.0.1.${n}`, [tcp(443)]));
  assert.deepEqual(targets(many), { '10.0.1.0/26': undefined });
});

test('the narrowest address decides; of two resources with equal addresses the second is refused, with the reason', () => {
  const compiler = following({
    resources: [
      resource('wide', ['10.0.0.0/30'], { gateways: ['g1'] }),
      resource('web', [address('10.0.0.1', [tcp(443)])], { gateways: ['g2'] }),
      resource('ssh', [address('10.0.0.1', [tcp(22)])], { gateways: ['g3'] }),
    ],
    policies: [
      policy('second', 2, { allDevices: true, resources: ['ssh', 'wide'] }),
      policy('first', 1, { allDevices: true, resources: ['web'] }),
    ],
  });
  assert.deepEqual(routes(compiler), {
    '10.0.0.0/32': 'MANUAL g1',
    '10.0.0.1/32': 'MANUAL g2',
    '10.0.0.2/31': 'MANUAL g1',
  });
  assert.deepEqual(denied(compiler), {
    web: null,
    wide: null,
    ssh: 'Its addresses lead to web through other gateways, and each address has only one route.',
  });
  assert.deepEqual(
    ofKind(compiler, 'peer')
      .map(({ id }) => id)
      .sort(),
    ['g1', 'g2'],
    'no tunnel to where nothing goes',
  );
});

test('a refused resource has its reason; a resource that no policy names for the device is not told', () => {
  const only = (id: string, order: number, given: Partial<WorldPolicy>) =>
    policy(id, order, { devices: ['d1'], resources: [id], ...given });
  const compiler = following(
    {
      gateways: [gateway('g1'), gateway('off', { intent: 'OFFLINE' }), gateway('new', { publicKey: null })],
      rules: [
        rule('hours', "time.between('08:00', '18:00')"),
        rule('healthy', "posture.encrypted == true && time.between('08:00', '18:00')"),
      ],
      resources: [
        resource('open', ['10.0.0.1']),
        resource('closed', ['10.0.0.2']),
        resource('unhealthy', ['10.0.0.3']),
        resource('forbidden', ['10.0.0.4']),
        resource('down', ['10.0.0.5'], { gateways: ['off'] }),
        resource('young', ['10.0.0.6'], { gateways: ['new', 'off'] }),
        resource('nowhere', ['10.0.0.7'], { gateways: [] }),
        resource('named', []),
        resource('secret', ['10.0.0.8']),
        resource('refused', ['10.0.0.9']),
      ],
      policies: [
        only('forbidden', 1, { allow: false }),
        only('refused', 2, { allow: false }),
        ...['open', 'closed', 'unhealthy', 'down', 'young', 'nowhere', 'named'].map((id, i) =>
          only(id, 3 + i, { rule: { closed: 'hours', unhealthy: 'healthy' }[id] ?? 'built-in' }),
        ),
        policy('late', 20, { devices: ['d1'], resources: ['forbidden'] }),
        policy('others', 21, { devices: ['d2'], resources: ['secret'] }),
      ],
    },
    {},
    20 * 3_600_000,
  );
  assert.deepEqual(denied(compiler), {
    open: null,
    closed: 'Its admission rule is not met: it is closed at this time.',
    unhealthy: 'Its admission rule is not met: posture.encrypted is not known.',
    forbidden: 'A policy denies it.',
    down: 'Its gateways are set to OFFLINE.',
    young: 'Its gateways are not deployed yet.',
    nowhere: 'No gateway carries it.',
    named: 'It has no address that can be reached.',
  });
  compiler.advance(32 * 3_600_000);
  assert.equal(denied(compiler).closed, null, 'at eight');
});

test('a full tunnel has default routes at every access point, and does not tell about resources of others', () => {
  const tunnel = policy('out', 1, {
    type: 'INTERNET',
    allDevices: true,
    allResources: true,
    mode: 'INTERNET_ACCESS_POINT',
    gateways: ['g2', 'g3'],
  });
  const compiler = following({ policies: [tunnel], resources: [resource('secret', ['10.0.0.1'])] });
  assert.deepEqual(routes(compiler), { '0.0.0.0/0': 'MANUAL g2 g3', '::/0': 'MANUAL g2 g3' });
  assert.deepEqual(denied(compiler), {});
  assert.deepEqual(
    ofKind(compiler, 'peer')
      .map(({ id }) => id)
      .sort(),
    ['g2', 'g3'],
  );
});

test('the internet stays closed for a full tunnel when no gateway can carry it', () => {
  const out = { type: 'INTERNET', allDevices: true, allResources: true } as const;
  const tunnel = policy('out', 1, { ...out, mode: 'INTERNET_ACCESS_POINT', gateways: ['g1'] });
  const compiler = following({ gateways: [gateway('g1', { intent: 'OFFLINE' })], policies: [tunnel] });
  const nowhere = { '0.0.0.0/0': 'MANUAL ', '::/0': 'MANUAL ' };
  assert.deepEqual(routes(compiler), nowhere);
  assert.deepEqual(routes(following({ policies: [policy('shut', 1, { ...out, mode: 'RESTRICTED' })] })), nowhere);
  assert.deepEqual(routes(following({ policies: [policy('own', 1, { ...out, mode: 'LOCAL' })] })), {});
  compiler.apply([{ kind: 'gateway', id: 'g1', value: gateway('g1') }], 0);
  assert.deepEqual(routes(compiler), { '0.0.0.0/0': 'MANUAL g1', '::/0': 'MANUAL g1' });
});

test('a peer expires with the last access through it, and its health is told only to affected devices', () => {
  const open = { allDevices: true, rule: 'hours' };
  const compiler = following({
    rules: [rule('hours', "time.between('00:00', '18:00')"), rule('morning', "time.between('00:00', '12:00')")],
    resources: [resource('a', ['10.0.0.1']), resource('b', ['10.0.0.2']), resource('c', ['10.0.0.3'])],
    policies: [
      policy('p', 1, { ...open, resources: ['a'] }),
      policy('q', 2, { ...open, rule: 'morning', resources: ['b'] }),
    ],
  });
  const peer = () => ofKind(compiler, 'peer')[0] ?? assert.fail();
  assert.deepEqual([peer().expiresAt, peer().unreachable], [18 * 3_600_000, []]);
  const change = (unreachable: string[]) =>
    compiler.apply([{ kind: 'gateway', id: 'g1', value: gateway('g1', { unreachable }) }], 0).get('d1');
  assert.equal(change(['c']), undefined, 'it does not know of c');
  assert.deepEqual(
    change(['c', 'b'])?.upserts.map(({ key }) => key),
    ['peer/g1'],
  );
  assert.deepEqual(peer().unreachable, ['b']);
});

test('a device is told what full tunnels leave of local networks, when that is not the default', () => {
  const compiler = following({});
  const told = () => ofKind(compiler, 'client')[0]?.localNetwork;
  assert.equal(told(), undefined);
  for (const localNetwork of ['CLOSED', 'OPEN', 'RESOLVERS'] as const) {
    compiler.apply([{ kind: 'settings', value: { ...settings, localNetwork } }], 0);
    assert.equal(told(), localNetwork === 'RESOLVERS' ? undefined : localNetwork);
  }
});

test('devices and gateways are told that other names are forwarded, as the tenant sets', () => {
  const compiler = following({ gateways: [gateway('g1')] });
  const told = () => ofKind(compiler, 'client')[0]?.forwarding;
  assert.equal(told(), undefined);
  for (const otherNames of ['FORWARD', 'REFUSE'] as const) {
    const changes = compiler.apply([{ kind: 'settings', value: { ...settings, otherNames } }], 0);
    assert.equal(told(), otherNames === 'FORWARD' ? true : undefined);
    assert.ok(changes.has('d1') && changes.has('g1'), 'both learn of it');
    assert.equal(ofKind(compiler, 'gateway', 'g1')[0]?.forwarding, told());
  }
});

test('a deactivated device has only its interface; a plain device has no state', () => {
  const beacons = [{ id: '1', publicKey: `${'b'.repeat(43)}=`, endpoint: 'beacon.example.net:51819' }];
  const resources = [resource('r', ['10.0.0.1'])];
  const relay = gateway('g1', { relayEnabled: true, endpoints: ['[2001:db8::1]:51820'] });
  const compiler = following({ gateways: [relay], resources, policies: [all] }, { beacons });
  assert.deepEqual(
    compiler.items('d1').map(({ key }) => key),
    ['client', 'beacon/1', 'relay-point/g1', 'route/10.0.0.1/32', 'resource/r', 'peer/g1'],
  );
  assert.equal(ofKind(compiler, 'relay-point')[0]?.endpoint, '[2001:db8::1]:51900');
  assert.deepEqual(ofKind(compiler, 'relay-point', 'g1'), [], 'not to itself');
  const set = (given: Partial<typeof laptop>) =>
    compiler.apply([{ kind: 'device', id: 'd1', value: { ...laptop, ...given } }], 0);
  set({ active: false });
  assert.deepEqual(
    compiler.items('d1').map(({ key }) => key),
    ['client'],
  );
  set({ native: false });
  assert.deepEqual(compiler.items('d1'), []);
  compiler.unfollow('d1');
  assert.equal(set({}).has('d1'), false, 'the device is not followed');
});

test('a pair is relayed while the device has a grant: at the relay, in the device and at the gateway', () => {
  const relay = { id: 'x', a: 'd1', b: 'g1', relay: 'g2', port: 51907 };
  const compiler = following({
    gateways: [gateway('g1'), gateway('g2', { relayEnabled: true })],
    resources: [resource('r', ['10.0.0.1'])],
    policies: [all],
    relays: [relay],
    devices: [device('d1', { native: true, endpoint: '203.0.113.9:40000' })],
  });
  const endpoint = 'g2.example.net:51907';
  assert.deepEqual(ofKind(compiler, 'peer')[0]?.relays, [{ gateway: 'g2', endpoint }]);
  assert.equal(ofKind(compiler, 'device', 'g1')[0]?.relay, endpoint);
  assert.deepEqual(
    ofKind(compiler, 'relay', 'g2').map(({ port, peers }) => [port, peers.map((peer) => peer.endpoint)]),
    [[51907, ['203.0.113.9:40000', 'g1.example.net:51820']]],
  );
  const deltas = compiler.apply([{ kind: 'policy', id: 'all', value: { ...all, allow: false } }], 0);
  assert.deepEqual(deltas.get('g2')?.removes, ['relay/x']);
  assert.deepEqual(ofKind(compiler, 'relay', 'g2'), []);
});

test('the MTU of a device is the smallest of its gateways and follows their changes', () => {
  const resources = [resource('r', ['10.0.0.1'])];
  const compiler = following({ gateways: [gateway('g1'), gateway('g2', { mtu: 600 })], resources, policies: [all] });
  const mtu = () => ofKind(compiler, 'client')[0]?.mtu;
  assert.equal(mtu(), 1280, 'g2 carries nothing for it');
  const set = (of: number | null) =>
    compiler.apply([{ kind: 'gateway', id: 'g1', value: gateway('g1', { mtu: of }) }], 0).get('d1');
  assert.deepEqual(
    set(1200)?.upserts.map(({ key }) => key),
    ['client'],
  );
  assert.deepEqual([mtu(), ofKind(compiler, 'gateway', 'g1')[0]?.mtu], [1200, 1200]);
  set(9000);
  assert.deepEqual([mtu(), ofKind(compiler, 'gateway', 'g1')[0]?.mtu], [1280, 9000]);
  set(null);
  assert.deepEqual([mtu(), ofKind(compiler, 'gateway', 'g1')[0]?.mtu], [1280, 1280]);
});

test('a resource item says where it may answer, and follows changes of the ports', () => {
  const port = (protocol: DestinationProtocol, from: number, to = from) => ({ protocol, from, to });
  const web = (ports: ReturnType<typeof port>[]) => resource('web', [address('10.0.0.1', ports)], { gateways: ['g1'] });
  const compiler = following({
    resources: [web([port('tcp', 8443), port('tcp', 8443), port('udp', 53)])],
    policies: [all],
  });
  const hints = () => ofKind(compiler, 'resource').map(({ ping }) => ping);
  assert.deepEqual(hints(), [{ tcp: [8443], icmp: false }]);
  const many = Array.from({ length: 20 }, (_, n) => port('tcp', 9_000 + n));
  const changed = web([port('tcp', 0, 65_535), port('icmp', 0, 65_535), ...many]);
  compiler.apply([{ kind: 'resource', id: 'web', value: changed }], 0);
  assert.deepEqual(hints(), [{ tcp: [443, 80, 22, 9_000, 9_001, 9_002, 9_003, 9_004], icmp: true }]);
});
