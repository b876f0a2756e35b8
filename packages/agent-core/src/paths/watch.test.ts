import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerStatus } from '@sallyport/wireguard';
import { SilenceWatch } from './watch.ts';

const peer = (rxBytes: number) => ({ rxBytes }) as PeerStatus;

test('a device that was in use before the first reading falls silent at the second', () => {
  const watch = new SilenceWatch();
  assert.equal(watch.seen('a', peer(1000), 0), null);
  assert.equal(watch.isBusy, true);
  assert.equal(watch.seen('a', peer(1000), 500), 'sudden');
  assert.equal(watch.seen('a', peer(1000), 1000), null, 'it is told once');
});

test('a device that has sent a handshake alone is idle', () => {
  const watch = new SilenceWatch();
  assert.equal(watch.seen('a', peer(148), 0), null);
  assert.equal(watch.isBusy, false);
  assert.equal(watch.seen('a', peer(148), 1000), null);
  assert.equal(watch.seen('a', peer(148), 6000), 'long');
});
