import assert from 'node:assert/strict';
import { test } from 'node:test';
import { monotonicMs, outageOf, whyNoNamespaces } from '@sallyport/testkit';
import { becomesDirect, becomesRelayed, healsAfter } from '../lab/nat-cases.ts';
import { nats, twoNats } from '../lab/paths-topologies.ts';

// One case of each kind; tests/e2e/paths has the others.
const skip = whyNoNamespaces() ?? false;
const { friendly, symmetric } = nats;

test('device and gateway behind endpoint-independent NATs: direct', { skip }, (t) =>
  becomesDirect(t, friendly, friendly),
);

test('device and gateway behind symmetric NATs: relayed', { skip }, (t) => becomesRelayed(t, symmetric, symmetric));

test('a relayed path becomes direct without an interruption when the NATs allow it', { skip }, async (t) => {
  const { s, stream, pathIs } = await twoNats(t, friendly, symmetric);
  await stream.answered(0);
  await pathIs('relayed');
  await s.lab.nat('site').become(friendly);
  await pathIs('direct');
  const settled = monotonicMs();
  await stream.answered(settled + 500);
  assert.deepEqual(outageOf(await stream.stop(), settled), { failed: 0, ms: 0 });
});

test('the NAT of the device gets another address: the tunnel heals', { skip }, (t) =>
  healsAfter(t, { nat: 'home', address: '203.0.113.99/24' }),
);
