import assert from 'node:assert/strict';
import { test } from 'node:test';
import { probeItem } from '@sallyport/agent-core/testing';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { deployableWorld, fails, reachable, recovers } from './testing/waits.ts';
import { serverAddress } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;

test('rules of others that drop the tunnel are found by what happens to packets', { skip }, async (t) => {
  const made = await deployableWorld(t);
  await made.controller.change([probeItem('a1', serverAddress, 80)]);
  made.startAgent();
  await made.applied();
  await made.deviceUp();
  await until('the tunnel', () => reachable(made));

  await t.test('a last rule that rejects, behind an accepting policy', async () => {
    await made.gateway.nft(
      'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy accept; }; add rule ip filter FORWARD counter reject with icmp host-prohibited',
    );
    const { message } = await fails(made, 'foreign-chain-drops');
    assert.match(
      message,
      /10\.20\.0\.10 port 80.*chain FORWARD of table ip filter.*forward hook.*reject.*iptables -I FORWARD -i/,
    );
    assert.equal(await reachable(made), false);
    await made.gateway.nft('delete table ip filter');
    await recovers(made);
    await until('the tunnel', () => reachable(made));
  });
});
