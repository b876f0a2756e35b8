import assert from 'node:assert/strict';
import { test } from 'node:test';
import { peerItem } from '@sallyport/agent-core/testing';
import { currentSteps } from './steps.ts';

test('a delayed step restores neither a removed peer nor its prefixes', () => {
  const [kept, gone] = [peerItem(1), peerItem(2)];
  const endpoint = '192.0.2.1:51820';
  const set = ({ publicKey }: typeof kept) =>
    ({ kind: 'set', peer: { publicKey, allowedIps: ['10.0.0.0/8'], endpoint } }) as const;
  const remove = { kind: 'remove', publicKey: gone.publicKey } as const;
  const now = ({ publicKey }: { readonly publicKey: string }) => ({ publicKey, allowedIps: ['100.64.0.1/32'] });
  assert.deepEqual(currentSteps([remove, set(gone), set(kept)], new Map([[kept.key, kept]]), now), [
    remove,
    { kind: 'set', peer: { publicKey: kept.publicKey, allowedIps: ['100.64.0.1/32'], endpoint } },
  ]);
});
