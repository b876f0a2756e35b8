import assert from 'node:assert/strict';
import { test } from 'node:test';
import { address, changesOf, device, gateway, policy, resource, rule, settings, tcp } from '../testing/build.ts';
import type { WorldChange } from '../types.ts';
import { TenantCompiler } from './compiler.ts';

const laptop = device('d', { addresses: ['100.64.0.2', 'fd50:1::2'] });
const asking = rule('r', "source.inCidr('198.18.0.0/16')");
const world: WorldChange[] = [
  ...changesOf({
    gateways: [gateway('g')],
    rules: [asking],
    resources: [resource('x', [address('10.0.0.1', [tcp(80)])], { gateways: ['g'] })],
    policies: [policy('p', 1, { allDevices: true, allResources: true, rule: 'r' })],
    devices: [laptop],
  }),
];
const shown = (compiler: TenantCompiler) =>
  compiler.items('g').flatMap((item) => (item.kind === 'device' ? [item.profile !== null] : []));

test('a device that a rule about its source could admit is a peer without grants, so that a gateway sees its address', () => {
  const compiler = new TenantCompiler(settings);
  compiler.apply(world, 0);
  assert.deepEqual(shown(compiler), [false], 'a peer, and nothing else');
  assert.ok(!compiler.items('g').some(({ kind }) => kind === 'profile' || kind === 'class'));
  compiler.apply([{ kind: 'device', id: 'd', value: { ...laptop, sourceIp: '198.18.0.9' } }], 0);
  assert.deepEqual(shown(compiler), [true], 'let in');
  compiler.apply([{ kind: 'device', id: 'd', value: { ...laptop, sourceIp: '203.0.113.9' } }], 0);
  assert.deepEqual(shown(compiler), [false], 'moved away: a peer still');
  compiler.apply([{ kind: 'rule', id: 'r', value: rule('r', "device.name == 'other'") }], 0);
  assert.deepEqual(shown(compiler), [], 'a rule that does not ask for the source needs no peer');
});
