import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import { address, changesOf, device, gateway, policy, resource, rule, settings, tcp, user } from '../testing/build.ts';
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

/** Returns each bundle of each cell, with its ports and its expiry. */
const bundles = (items: readonly StateItem[]) =>
  items.flatMap((item) =>
    item.kind !== 'profile'
      ? []
      : item.cells.map((cell) =>
          [cell, ...(cell.after ?? [])].map(({ bundle, expiresAt }) => {
            const found = items.find((other) => other.kind === 'bundle' && other.id === bundle);
            const ports = found?.kind === 'bundle' ? found.grants.map(({ from }) => from) : [];
            return [ports.join('+'), expiresAt] as const;
          }),
        ),
  );

/** Returns a compiler with TCP port 80 open for good, and other ports open until a moment each, at one address. */
function withPorts(windows: ReadonlyMap<number, string>): TenantCompiler {
  const compiler = new TenantCompiler(settings);
  const ports = [80, ...windows.keys()];
  compiler.apply(
    changesOf({
      ...objects,
      rules: [...windows].map(([port, end]) => rule(`w${port}`, `time.between('08:00', '${end}')`)),
      resources: ports.map((port) => resource(`r${port}`, [address('10.0.0.1', [tcp(port)], `a${port}`)])),
      policies: ports.map((port, order) =>
        policy(`p${port}`, order + 1, {
          allDevices: true,
          resources: [`r${port}`],
          ...(windows.has(port) && { rule: `w${port}` }),
        }),
      ),
    }),
    at(9),
  );
  return compiler;
}

const expiries = (items: readonly StateItem[]) =>
  items.flatMap((item) => {
    if (item.kind === 'device') return [item.expiresAt];
    return item.kind === 'profile' ? item.cells.map(({ expiresAt }) => expiresAt) : [];
  });
const everybody = { allDevices: true, allResources: true };

test('device and cell carry the end of a window; it closes on its own and opens when the compiler advances', () => {
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

test('ports that another policy also opens do not close with the window', () => {
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

test('a window closes its own ports; ports that are open for good at the same address stay open', () => {
  const compiler = withPorts(new Map([[81, '18:00']]));
  const items = compiler.items('g1');
  assert.deepEqual(bundles(items), [
    [
      ['80+81', at(18)],
      ['80', null],
    ],
  ]);
  assert.deepEqual(
    items.flatMap((item) => (item.kind === 'device' ? [item.expiresAt] : [])),
    [null, null],
  );
  const hash = compiler.hash('g1');
  compiler.advance(at(18));
  assert.notEqual(compiler.hash('g1'), hash);
  assert.deepEqual(bundles(compiler.items('g1')), [[['80', null]]]);
});

test('windows that end one after another close in turn', () => {
  const compiler = withPorts(
    new Map([
      [81, '18:00'],
      [82, '20:00'],
    ]),
  );
  assert.deepEqual(bundles(compiler.items('g1')), [
    [
      ['80+81+82', at(18)],
      ['80+82', at(20)],
      ['80', null],
    ],
  ]);
});

test('with more windows than successors the last ones close early; ports that are open for good stay open', () => {
  const ends = ['15:00', '16:00', '17:00', '18:00', '19:00'];
  const compiler = withPorts(new Map(ends.map((end, i) => [81 + i, end])));
  assert.deepEqual(bundles(compiler.items('g1')), [
    [
      ['80+81+82+83+84+85', at(15)],
      ['80+82+83+84+85', at(16)],
      ['80+83+84+85', at(17)],
      ['80', null],
    ],
  ]);
});

test('a policy that will close the internet ends the access of an access point', () => {
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

test('a rule that stays met is renewed long before its expiry', () => {
  const compiler = compiled([['p', 1, { ...everybody, rule: 'always' }]], 9);
  const [first] = expiries(compiler.items('g1'));
  const deadline = compiler.nextDeadline() ?? assert.fail('renewal is due');
  assert.ok((first ?? 0) - deadline >= 8 * 86_400_000);
  assert.ok(compiler.advance(deadline).has('g1'));
  assert.ok((expiries(compiler.items('g1'))[0] ?? 0) > (first ?? 0));
});

test('a change of membership moves only the devices of that user', () => {
  const compiler = compiled([['p', 1, { groups: ['g'], allResources: true }]], 9);
  const delta = compiler.apply([{ kind: 'user', id: 'u', value: user('u') }], at(9)).get('g1');
  assert.ok(delta?.removes.includes('device/d1'));
  const back = compiler.apply([{ kind: 'user', id: 'u', value: user('u', { groups: ['g'] }) }], at(9)).get('g1');
  assert.deepEqual(
    back?.upserts.flatMap((item) => (item.kind === 'device' ? [item.id] : [])),
    ['d1'],
  );
});

test('devices of a deactivated user are removed, whatever policies name them', () => {
  const compiler = compiled([['p', 1, { devices: ['d1', 'd2'], allResources: true }]], 9);
  const delta = compiler.apply([{ kind: 'user', id: 'u', value: user('u', { active: false }) }], at(9)).get('g1');
  assert.deepEqual(delta?.removes, ['device/d1']);
});

test('a clock that was put back closes windows that have not begun', () => {
  const compiler = compiled([['p', 1, { ...everybody, rule: 'day' }]], 9);
  compiler.advance(at(7));
  assert.deepEqual(expiries(compiler.items('g1')), []);
  assert.equal(compiler.nextDeadline(), at(8));
});
