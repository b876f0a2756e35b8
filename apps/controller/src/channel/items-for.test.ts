import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelProtocol, StateHash, type StateItem } from '@sallyport/contract/channel';
import { itemsFor } from './items-for.ts';

test('a device of the previous protocol is not told that gateways forward names, under the same hash', () => {
  const client: StateItem = {
    ...{ kind: 'client', key: 'client', addresses: ['100.64.0.7/32'], mtu: 1280 },
    overlay: { v4: '100.64.0.0/11', v6: 'fd00::/48' },
  };
  const told: StateItem = { ...client, forwarding: true };
  assert.deepEqual(itemsFor(channelProtocol)([told]), [told]);
  assert.deepEqual(itemsFor(channelProtocol - 1)([told]), [client]);
  assert.equal(StateHash.of([told]).toString(), StateHash.of([client]).toString());
});
