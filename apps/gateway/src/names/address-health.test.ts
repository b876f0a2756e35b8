import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { until } from '@sallyport/testkit';
import { AddressHealth } from './address-health.ts';

function open(t: TestContext) {
  const silent = new Set<string>();
  const world = { probed: [] as string[], changes: [] as string[], gone: [] as string[], silent };
  const health = new AddressHealth({
    probe: async (address, port) => {
      world.probed.push(`${address} ${port}`);
      return !silent.has(address);
    },
    changed: (name, address, answers) => world.changes.push(`${name} ${address} ${answers}`),
    gone: (name, address) => world.gone.push(`${name} ${address}`),
    everyMs: 5,
  });
  t.after(() => health.stop());
  const expect = (v4: readonly string[], v6: readonly string[] = []) => health.expect('wiki', { v4, v6, port: 443 });
  const turns = async (address: string, count: number) => {
    const from = world.probed.length;
    await until('probes', () => world.probed.slice(from).filter((each) => each.startsWith(address)).length >= count);
  };
  return { world, health, expect, turns };
}

test('several addresses of a family are looked at, and each change is reported once', async (t) => {
  const { world, expect, turns } = open(t);
  world.silent.add('10.0.0.1');
  expect(['10.0.0.1', '10.0.0.2'], ['fd00::1']);
  await turns('10.0.0.1', 8);
  assert.deepEqual(world.changes, ['wiki 10.0.0.1 false']);
  assert.ok(world.probed.every((each) => each.endsWith(' 443') && !each.startsWith('fd00')));
  world.silent.delete('10.0.0.1');
  await turns('10.0.0.1', 8);
  assert.deepEqual(world.changes, ['wiki 10.0.0.1 false', 'wiki 10.0.0.1 true']);
});

test('one lost packet is no failure', async (t) => {
  const { world, health, expect, turns } = open(t);
  let lost = 0;
  const flaky = world.silent.has.bind(world.silent);
  world.silent.has = (address) => (address === '10.0.0.1' && lost++ % 2 === 0) || flaky(address);
  expect(['10.0.0.1', '10.0.0.2']);
  await turns('10.0.0.1', 10);
  assert.deepEqual(world.changes, []);
  health.remove('wiki');
});

test('an address that left DNS is gone when it stops answering, unless it comes back', async (t) => {
  const { world, health, expect, turns } = open(t);
  expect(['10.0.0.1']);
  expect(['10.0.0.2']);
  await turns('10.0.0.1', 3);
  assert.deepEqual(world.gone, []);
  expect(['10.0.0.1']);
  await turns('10.0.0.2', 3);
  world.silent.add('10.0.0.1');
  expect(['10.0.0.2']);
  await until('its end', () => world.gone.length > 0);
  assert.deepEqual(world.gone, ['wiki 10.0.0.1']);
  const { length } = world.probed;
  health.expect('docs', { v4: ['10.0.0.3', '10.0.0.4'], v6: [], port: null });
  await turns('10.0.0.3 null', 3);
  assert.ok(!world.probed.slice(length).some((each) => /^10\.0\.0\.[12] /.test(each)), 'one address is not looked at');
});

test('forbidden addresses to which flows may lead are taken once', (t) => {
  const { health, expect } = open(t);
  expect(['10.0.0.1']);
  expect(['10.0.0.2', '10.0.0.3']);
  const forbidden = (address: string) => address !== '10.0.0.2';
  assert.deepEqual(health.takeForbidden('wiki', forbidden), ['10.0.0.1']);
  assert.deepEqual(health.takeForbidden('wiki', forbidden), []);
  assert.deepEqual(health.takeForbidden('other', forbidden), []);
});
