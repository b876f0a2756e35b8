import assert from 'node:assert/strict';
import { test } from 'node:test';
import { whyNoNamespaces } from '@sallyport/testkit';
import { SmallInternet } from './small-internet.ts';

test('the small internet connects the wide area, isolates the LAN, and puts the laptop behind its NAT', {
  skip: whyNoNamespaces() ?? false,
}, async (t) => {
  const world = await SmallInternet.create();
  t.after(() => world.cleanup.run());
  const [laptop, visitor, gateway] = await Promise.all([
    world.host('laptop'),
    world.host('visitor'),
    world.host('gateway'),
  ]);
  assert.equal(await laptop.ping('203.0.113.10'), 'ok');
  assert.equal(await visitor.ping('2001:db8:f::20'), 'ok');
  assert.equal(await gateway.ping('10.20.0.10'), 'ok');
  assert.equal(await gateway.ping('fd20::11'), 'ok');
  assert.notEqual(await laptop.ping('10.20.0.10', { timeoutMs: 300 }), 'ok');
  assert.notEqual(await visitor.ping('192.168.77.2', { timeoutMs: 300 }), 'ok');
});
