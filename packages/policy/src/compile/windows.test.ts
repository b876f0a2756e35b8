import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import { changesOf, device, gateway, policy, resource, rule, settings, user } from '../testing/build.ts';
import { TenantCompiler } from './compiler.ts';

const at = (hour: number, day = 23) => Date.UTC(2026, 10, day, hour);
const objects = {
  gateways: [gateway('g1')],
  devices: [device('d1', { user: 'u' }), device('d2')],
  users: [user('u', { groups: ['g'] })],
  groups: [{ id: 'g', name: 'Group' }],
  rules: [rule('day', "time.between('08:00', '18:00')"), rule('always', "time.date != '1999-01-01'")],
  resources: [resource('r', ['10.0.0.1'])],
};

function compiled(policies: Parameters<typeof policy>[], hour: number): TenantCompiler {
  const compiler = new TenantCompiler(settings);
  compiler.apply(changesOf({ ...objects, policies: policies.map((given) => policy(...given)) }), at(hour));
  return compiler;
}

const expiries = (items: readonly StateItem[]) =>
  items.flatMap((item) => {
    if (item.kind === 'device') return [item.expiresAt];
    return item.kind === 'profile' ? item.cells.map(({ expiresAt }) => expiresAt) : [];
  });
const everybody = { allDevices: true, allResources: true };

test('a window is open with its end on device and cell, closes by that, and opens when the compiler advances', () => {
  const compiler = compiled([['p', 1, { users: ['u'], allResources: true, rule: 'day' }]], 9);
  assert.deepEqual(expiries(compiler.items('g1')), [at(18), at(18)]);
  assert.equal(compiler.nextDeadline(), at(18));
  const closed = compiler.advance(at(18)).get('g1');
  assert.deepEqual(closed?.removes.map((key) => key.split('/')[0]).sort(), ['bundle', 'class', 'device', 'profile']);
  assert.equal(compiler.nextDeadline(), at(8, 24));
  const opened = compiler.advance(at(8, 24)).get('g1');
  assert.equal(opened?.upserts.length, 4);
  assert.deepEqual(expiries(compiler.items('g1')), [at(18, 24), at(18, 24)]);
});

test('what another policy opens as well does not close with the window', () => {
  const compiler = compiled(
    [
      ['p', 1, { ...everybody, rule: 'day' }],
      ['q', 2, everybody],
    ],
    9,
  );
  assert.deepEqual(expiries(compiler.items('g1')), [null, null, null]);
  const delta = compiler.advance(at(18)).get('g1');
  assert.ok(delta?.upserts.some((item) => item.kind === 'bundle' && item.grants.every((g) => g.policy === 'q')));
});

test('what closes the internet later ends what an access point opens now', () => {
  const internet = { type: 'INTERNET', ...everybody } as const;
  const compiler = compiled(
    [
      ['night', 1, { ...internet, mode: 'RESTRICTED', rule: 'day' }],
      ['out', 2, { ...internet, mode: 'INTERNET_ACCESS_POINT', gateways: ['g1'] }],
    ],
    19,
  );
  assert.deepEqual([...new Set(expiries(compiler.items('g1')))], [at(8, 24)]);
});

test('a rule that goes on is renewed long before its expiry', () => {
  const compiler = compiled([['p', 1, { ...everybody, rule: 'always' }]], 9);
  const [first] = expiries(compiler.items('g1'));
  const deadline = compiler.nextDeadline() ?? assert.fail('renewal is due');
  assert.ok((first ?? 0) - deadline >= 8 * 86_400_000);
  assert.ok(compiler.advance(deadline).has('g1'));
  assert.ok((expiries(compiler.items('g1'))[0] ?? 0) > (first ?? 0));
});

test('a change of membership moves the devices of that user only', () => {
  const compiler = compiled([['p', 1, { groups: ['g'], allResources: true }]], 9);
  const delta = compiler.apply([{ kind: 'user', id: 'u', value: user('u') }], at(9)).get('g1');
  assert.ok(delta?.removes.includes('device/d1'));
  const back = compiler.apply([{ kind: 'user', id: 'u', value: user('u', { groups: ['g'] }) }], at(9)).get('g1');
  assert.deepEqual(
    back?.upserts.flatMap((item) => (item.kind === 'device' ? [item.id] : [])),
    ['d1'],
  );
});

test('devices of a deactivated user go, whatever names them', () => {
  const compiler = compiled([['p', 1, { devices: ['d1', 'd2'], allResources: true }]], 9);
  const delta = compiler.apply([{ kind: 'user', id: 'u', value: user('u', { active: false }) }], at(9)).get('g1');
  assert.deepEqual(delta?.removes, ['device/d1']);
});

test('a clock that was put back closes what is not open yet', () => {
  const compiler = compiled([['p', 1, { ...everybody, rule: 'day' }]], 9);
  compiler.advance(at(7));
  assert.deepEqual(expiries(compiler.items('g1')), []);
  assert.equal(compiler.nextDeadline(), at(8));
});
