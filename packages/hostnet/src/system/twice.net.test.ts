import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { namespacesMissing, until } from '../testing/namespaces.ts';
import { RESOURCE, Topology } from '../testing/topology.ts';

const skip = await namespacesMissing();
const TABLE = ['inet', 'sallyport_sp0'] as const;

/** A rule at the head of a chain of the first decision acts like a change that comes between two look-ups. */
describe('firewall, deciding twice', { skip }, () => {
  const net = new Topology();
  before(async () => {
    await net.startFiltering();
  });
  after(() => net.stop());

  async function chainNames(pattern: RegExp): Promise<string[]> {
    const table = await net.gateway.exec('nft', 'list', 'table', ...TABLE);
    return [...table.matchAll(/\bchain (\w+) /g)].map(([, name = '']) => name).filter((name) => pattern.test(name));
  }

  it('admits what the second decision admits, at whichever look-up the first one fails', async () => {
    const chains = await chainNames(/_first_[abc]$/);
    assert.ok(chains.length > 15, chains.join());
    for (const chain of chains) {
      await net.gateway.exec('nft', 'insert', 'rule', ...TABLE, chain, 'return');
      for (const address of [RESOURCE.v4, RESOURCE.v6]) {
        await net.alice.call('open', `${chain} ${address}`, address, 80);
        await net.alice.call('close', `${chain} ${address}`);
      }
      await net.alice.exec('ping', '-q', '-c', '1', '-W', '2', RESOURCE.v4);
      const listing = await net.gateway.exec('nft', '-a', 'list', 'chain', ...TABLE, chain);
      const [, handle = ''] = /return # handle (\d+)/.exec(listing) ?? [];
      await net.gateway.exec('nft', 'delete', 'rule', ...TABLE, chain, 'handle', handle);
    }
    assert.equal(await net.dropped('denied_in'), 0);
    assert.equal(await net.dropped('denied_out'), 0);
  });

  it('counts a denied packet once, and an admitted packet once', async () => {
    const policies = async () => (await net.gateway.call('counters')).policies;
    const admitted = (await policies()).get('p-ping')?.packets ?? 0;
    const denied = await net.dropped('denied_in');
    await net.alice.exec('ping', '-q', '-c', '3', '-i', '0.01', '-W', '2', RESOURCE.v4);
    await net.bob.exec('sh', '-c', `ping -q -c 3 -i 0.01 -W 0.01 ${RESOURCE.v4} || true`);
    await until('the denied packets count', async () => (await net.dropped('denied_in')) >= denied + 3);
    assert.equal(await net.dropped('denied_in'), denied + 3);
    assert.equal((await policies()).get('p-ping')?.packets, admitted + 6);
  });
});
