import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorldChange, WorldDevice, WorldPolicy } from '../types.ts';
import { TenantCompiler } from './compiler.ts';

const settings = { overlay: { v4: '100.64.0.0/10', v6: 'fd50:1::/48' }, mtu: 1280, timeZone: 'UTC' };
const device: WorldDevice = {
  id: 'd',
  active: true,
  user: null,
  name: 'laptop',
  hardwareId: 'h',
  appVersion: null,
  posture: {},
  sourceIp: null,
  country: null,
  publicKey: 'k',
  addresses: ['100.64.0.2', 'fd50:1::2'],
};
const policy: WorldPolicy = {
  id: 'p',
  type: 'PRIVATE',
  order: 1,
  allow: true,
  isDefault: false,
  allUsers: false,
  allGroups: false,
  allDevices: true,
  allResources: true,
  users: [],
  groups: [],
  devices: [],
  resources: [],
  gateways: [],
  rule: 'r',
  mode: null,
  sourceIps: [],
};
const world: WorldChange[] = [
  {
    kind: 'gateway',
    id: 'g',
    value: { id: 'g', listenPort: 1, addresses: ['100.64.0.1/32'], intent: 'ACTIVE', masquerade: true },
  },
  {
    kind: 'rule',
    id: 'r',
    value: { id: 'r', unrestricted: false, source: "source.inCidr('198.18.0.0/16')", timeZone: null },
  },
  {
    kind: 'resource',
    id: 'x',
    value: {
      id: 'x',
      type: 'PRIVATE',
      mode: 'MANUAL',
      gateways: ['g'],
      addresses: [{ id: 'a', prefix: '10.0.0.1', ports: [{ protocol: 'tcp', from: 80, to: 80 }] }],
    },
  },
  { kind: 'policy', id: 'p', value: policy },
  { kind: 'device', id: 'd', value: device },
];
const shown = (compiler: TenantCompiler) =>
  compiler.items('g').flatMap((item) => (item.kind === 'device' ? [item.profile !== null] : []));

test('a device that a rule on its source could let in is a peer without grants, so that a gateway can tell where it is', () => {
  const compiler = new TenantCompiler(settings);
  compiler.apply(world, 0);
  assert.deepEqual(shown(compiler), [false], 'a peer, and nothing else');
  assert.ok(!compiler.items('g').some(({ kind }) => kind === 'profile' || kind === 'class'));
  compiler.apply([{ kind: 'device', id: 'd', value: { ...device, sourceIp: '198.18.0.9' } }], 0);
  assert.deepEqual(shown(compiler), [true], 'let in');
  compiler.apply([{ kind: 'device', id: 'd', value: { ...device, sourceIp: '203.0.113.9' } }], 0);
  assert.deepEqual(shown(compiler), [false], 'moved away: a peer still');
  compiler.apply(
    [
      {
        kind: 'rule',
        id: 'r',
        value: { id: 'r', unrestricted: false, source: "device.name == 'other'", timeZone: null },
      },
    ],
    0,
  );
  assert.deepEqual(shown(compiler), [], 'a rule that does not ask for the source needs no peer');
});
