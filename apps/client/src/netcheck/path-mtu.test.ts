import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MtuWatch } from './mtu-watch.ts';
import { type Echo, type MtuTarget, measureMtu, mtuAdvice } from './path-mtu.ts';

const target: MtuTarget = {
  ...{ gateway: 'g1', name: 'office', address: '100.64.0.1', mtu: 1280, way: 'direct 192.0.2.1:51820 1280', rttMs: 1 },
};
const path =
  (carries: number): Echo =>
  async (_, bytes) =>
    bytes <= carries;

test('a path MTU is measured to within eight bytes, and never overestimated', async () => {
  for (const carries of [576, 577, 583, 584, 900, 1199, 1200, 1216, 1272, 1279]) {
    const measured = (await measureMtu(target, path(carries))) ?? 0;
    assert.ok(measured <= carries && carries - measured < 16, `${measured} of ${carries}`);
  }
  assert.equal(await measureMtu(target, path(1280)), 1280);
  assert.equal(await measureMtu({ ...target, mtu: 9000 }, path(9000)), 9000);
  for (let mtu = 1400; mtu < 1424; mtu++) {
    const measured = (await measureMtu({ ...target, mtu }, path(mtu - 1))) ?? 0;
    assert.ok(measured < mtu && mtu - measured <= 16, `${measured} of ${mtu - 1}`);
  }
});

test('a gateway without echo answers gives no result, and loss alone is no evidence', async () => {
  assert.equal(await measureMtu(target, path(0)), null);
  assert.equal(await measureMtu({ ...target, mtu: 576 }, path(0)), null);
  let full = 0;
  const lossy: Echo = async (_, bytes) => bytes < 1280 || ++full === 5;
  assert.equal(await measureMtu(target, lossy), 1280);
});

test('advice names an MTU that fits, and its cost', () => {
  assert.equal(mtuAdvice('office', 1280, 1280), null);
  assert.equal(mtuAdvice('office', null, 1280), null);
  assert.match(mtuAdvice('office', 1200, 1280) ?? '', /set the MTU to 1200 .*--mtu 1200\)\. Below 1280 .* no IPv6/);
  assert.doesNotMatch(mtuAdvice('office', 1320, 1420) ?? '', /IPv6/);
});

test('a path is measured when it appears or changes, and every minute; a lost gateway is forgotten', async () => {
  let [now, targets] = [0, [target]];
  const asked: string[] = [];
  const measure = async ({ way }: MtuTarget): Promise<number> => {
    asked.push(way);
    return 1200;
  };
  const watch = new MtuWatch({ targets: () => targets, measure, now: () => now });
  await watch.look();
  await watch.look();
  assert.deepEqual([asked.length, watch.carries.get('g1')], [1, 1200]);
  targets = [{ ...target, way: 'relayed 192.0.2.9:52000 1280' }];
  await watch.look();
  assert.equal(asked.length, 2);
  now = 60_000;
  await watch.look();
  assert.equal(asked.length, 3);
  targets = [];
  await watch.look();
  assert.equal(watch.carries.size, 0);
});

test('measuring on demand measures all gateways, and resets the schedule', async () => {
  let carries = 1280;
  const watch = new MtuWatch({ targets: () => [target], measure: async () => carries });
  await watch.look();
  carries = 1200;
  assert.deepEqual(await watch.measureNow(), [{ gateway: 'g1', name: 'office', carries: 1200 }]);
  await watch.look();
  assert.equal(watch.carries.get('g1'), 1200);
});

test('a failed measurement does not stop the others', async () => {
  const targets = [target, { ...target, gateway: 'g2' }];
  const measure = async ({ gateway }: MtuTarget): Promise<number> => {
    if (gateway === 'g1') throw new Error('no ping');
    return 1280;
  };
  const watch = new MtuWatch({ targets: () => targets, measure });
  await watch.look();
  assert.deepEqual(Object.fromEntries(watch.carries), { g1: null, g2: 1280 });
});
