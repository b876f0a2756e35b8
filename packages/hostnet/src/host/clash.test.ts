import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clashesOf } from './clash.ts';

const overlay = { v4: '100.64.0.0/10', v6: 'fd7a:1::/48' };
const members = ['100.64.0.0/24', 'fd7a:1::/120'];

test('a resolver closes the tunnel only if its address is among those in use', () => {
  const closing = (...resolvers: string[]) => clashesOf({ overlay, members }, { resolvers }).closing;
  assert.deepEqual(closing('100.64.0.53', 'fd7a:1::35'), [
    'the resolver 100.64.0.53 lies in the overlay (100.64.0.0/24)',
    'the resolver fd7a:1::35 lies in the overlay (fd7a:1::/120)',
  ]);
  assert.deepEqual(closing('100.100.2.136', '10.0.0.53', 'fd7a:1:0:1::35', '127.0.0.53'), []);
});

test('without known members the whole overlay counts', () => {
  const { closing } = clashesOf({ overlay }, { resolvers: ['100.100.2.136'] });
  assert.deepEqual(closing, ['the resolver 100.100.2.136 lies in the overlay (100.64.0.0/10)']);
});

test('a wide route is a clash only if the host is connected to it', () => {
  const around = (connected: boolean) => [{ destination: '100.64.0.0/10', device: 'wan0', connected }];
  assert.deepEqual(clashesOf({ overlay, members }, { around: around(false) }).closing, []);
  assert.equal(clashesOf({ overlay, members }, { around: around(true) }).closing.length, 1);
});
