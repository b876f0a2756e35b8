import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatewayItem } from '@sallyport/agent-core/testing';
import { forbiddenAddresses } from './forbidden.ts';

const gateway = { ...gatewayItem(), deniedRanges: ['10.9.0.0-10.9.0.255', 'fd99::1-fd99::1'] };
const isForbidden = forbiddenAddresses(gateway, ['10.20.0.1', 'fd20::1']);

test('a name leads to no address past the rules, however it is written', () => {
  const forbidden = [
    ...['0.0.0.0', '127.0.0.1', '127.255.255.255', '169.254.169.254', '224.0.0.1', '255.255.255.255'],
    ...['100.64.0.9', '100.96.0.9', '100.127.255.255', 'fd00:5a11::9', 'fd00:5a11:0:ffff::9'],
    ...['::', '::1', '::7f00:1', '::ffff:10.0.0.1', '::ffff:7f00:1', 'fe80::1', 'febf::1', 'ff02::1'],
    ...['10.20.0.1', 'fd20::1', '10.9.0.77', 'fd99::1'],
    ...['64:ff9b::7f00:1', '64:ff9b::a9fe:a9fe', '64:ff9b::a09:4d', '64:ff9b::6440:9', '64:ff9b::a14:1'],
    ...['192.0.0.192', '100.100.100.200', '168.63.129.16', 'fd00:ec2::254'],
    ...['', 'localhost', '10.0.0.1/32', '010.0.0.1', '10.0.0', '0x7f.1'],
  ];
  assert.deepEqual(
    forbidden.filter((address) => !isForbidden(address)),
    [],
  );
});

test('a name leads to other addresses, private and public', () => {
  const allowed = ['10.0.0.1', '10.8.255.255', '10.20.0.2', '192.168.1.1', '203.0.113.1', 'fd20::2', 'fd99::2'];
  const translated = ['64:ff9b::a00:1', '64:ff9b::cb00:7101'];
  assert.deepEqual([...allowed, ...translated].filter(isForbidden), []);
});

test('the range of virtual addresses is forbidden, and the usual one is not while another one is in use', () => {
  const usual = forbiddenAddresses({ overlay: { v4: '100.64.0.0/11', v6: 'fd00::/48' } }, []);
  const other = forbiddenAddresses({ overlay: { v4: '100.64.0.0/11', v6: 'fd00::/48', names: '10.64.0.0/12' } }, []);
  const asked = ['100.96.0.7', '10.64.0.7'];
  assert.deepEqual(
    [asked.map(usual), asked.map(other)],
    [
      [true, false],
      [false, true],
    ],
  );
});
