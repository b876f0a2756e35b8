import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf } from './addresses.ts';

test('addressOf returns the source of a datagram if it is reachable', () => {
  assert.equal(addressOf('::ffff:192.0.2.1', 51820), '192.0.2.1:51820');
  assert.equal(addressOf('::ffff:c000:201', 51820), '192.0.2.1:51820');
  assert.equal(addressOf('fe80::1%eth0', 1), '[fe80::1]:1');
  assert.equal(addressOf('::ffff:192.0.2.1', 0), null, 'a forged port must end no process');
});
