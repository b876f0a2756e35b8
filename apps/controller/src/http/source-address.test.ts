import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { sourceAddress } from './source-address.ts';

const from = (peer: string, forwarded?: string | string[]) =>
  ({
    socket: { remoteAddress: peer },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage;

test('without trusted proxies the connection itself counts, whatever it claims', () => {
  const source = sourceAddress([]);
  assert.equal(source(from('198.51.100.7', '10.0.0.1')), '198.51.100.7');
  assert.equal(source(from('::ffff:198.51.100.7')), '198.51.100.7');
  assert.equal(source(from('2001:db8::7')), '2001:db8::7');
});

test('a chain of trusted proxies is believed, and addresses before them are not', () => {
  const source = sourceAddress(['127.0.0.1', '10.0.0.0/8', 'fd00::/8']);
  assert.equal(source(from('127.0.0.1', '203.0.113.5')), '203.0.113.5');
  assert.equal(source(from('127.0.0.1', '6.6.6.6, 203.0.113.5, 10.1.1.1')), '203.0.113.5');
  assert.equal(source(from('::ffff:127.0.0.1', ['6.6.6.6', '203.0.113.5'])), '203.0.113.5');
  assert.equal(source(from('fd00::1', '2001:db8::5')), '2001:db8::5');
  assert.equal(source(from('198.51.100.7', '203.0.113.5')), '198.51.100.7');
});

test('an IPv4 address counts as IPv4 in every spelling, for trust and for the result', () => {
  const source = sourceAddress(['::ffff:10.0.0.0/104']);
  assert.equal(source(from('10.1.1.1', '203.0.113.5')), '203.0.113.5');
  for (const spelling of ['::ffff:203.0.113.5', '::ffff:cb00:7105', '0:0:0:0:0:FFFF:203.0.113.5'])
    for (const proxy of ['10.1.1.1', '::ffff:a01:101'])
      assert.equal(source(from(proxy, `6.6.6.6, ${spelling}, ${proxy}`)), '203.0.113.5');
});

test('a forwarded value that is no address ends the search for the source', () => {
  const source = sourceAddress(['127.0.0.1', '10.0.0.0/8']);
  assert.equal(source(from('127.0.0.1', 'unknown')), '127.0.0.1');
  assert.equal(source(from('127.0.0.1', '203.0.113.5, junk, 10.1.1.1')), '10.1.1.1');
  assert.equal(source(from('127.0.0.1', '10.0.0.2')), '10.0.0.2');
  assert.equal(source(from('127.0.0.1', ' , ')), '127.0.0.1');
});
