import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  canonicalAddress,
  canonicalCidr,
  canonicalEndpoint,
  canonicalInterfaceAddress,
  checkLinkName,
  parsePort,
} from './address.ts';

test('addresses are written in the form of RFC 5952', () => {
  const cases = {
    '192.0.2.1': '192.0.2.1',
    '::': '::',
    '::1': '::1',
    '2001:DB8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
    '2001:db8:0:1:1:1:1:1': '2001:db8:0:1:1:1:1:1',
    '1:0:0:2:0:0:0:3': '1:0:0:2::3',
    'fe80::': 'fe80::',
    '::ffff:c000:201': '::ffff:192.0.2.1',
    '64:ff9b::192.0.2.1': '64:ff9b::c000:201',
  };
  for (const [text, canonical] of Object.entries(cases)) assert.equal(canonicalAddress(text), canonical);
});

test('ranges lose their host bits, interface addresses keep them', () => {
  assert.equal(canonicalCidr('10.1.2.3/9'), '10.0.0.0/9');
  assert.equal(canonicalCidr('10.1.2.3'), '10.1.2.3/32');
  assert.equal(canonicalCidr('2001:db8:ffff::/33'), '2001:db8:8000::/33');
  assert.equal(canonicalCidr('::/0'), '::/0');
  assert.equal(canonicalInterfaceAddress('10.1.2.3/9'), '10.1.2.3/9');
});

test('endpoints', () => {
  assert.equal(canonicalEndpoint('192.0.2.1:51820'), '192.0.2.1:51820');
  assert.equal(canonicalEndpoint('[2001:DB8::0:1]:1'), '[2001:db8::1]:1');
  assert.equal(canonicalEndpoint('[fe80::1%eth0]:65535'), '[fe80::1%eth0]:65535');
  for (const bad of ['192.0.2.1', '192.0.2.1:0', '1.2.3.4:65536', '2001:db8::1:5', '[1.2.3.4]:5', 'a:5', '1.2.3.4:5\n'])
    assert.throws(() => canonicalEndpoint(bad), { code: 'invalid' }, bad);
});

test('malformed addresses, ranges, ports and names are refused', () => {
  for (const bad of [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '256.1.1.1',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '12345::',
    '::1%lo',
  ])
    assert.throws(() => canonicalAddress(bad), { code: 'invalid' }, bad);
  for (const bad of ['1.2.3.4/33', '::/129', '1.2.3.4/', '1.2.3.4/08', '1.2.3.4/-1', '1.2.3.4/8/8', '/8'])
    assert.throws(() => canonicalCidr(bad), { code: 'invalid' }, bad);
  for (const bad of ['0', '65536', '', '080', '1e3', '-1'])
    assert.throws(() => parsePort(bad), { code: 'invalid' }, bad);
  for (const bad of ['', '..', '-x', 'a/b', 'sixteen-letters-', 'wg 0', 'wg0\n'])
    assert.throws(() => checkLinkName(bad), { code: 'invalid' }, bad);
  assert.equal(checkLinkName('wg-sally_0.1'), 'wg-sally_0.1');
});

test('it accepts exactly the addresses that the standard library accepts', () => {
  const text = fc.oneof(fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[0-9a-f:.]{0,20}$/));
  fc.assert(
    fc.property(text, (candidate) => {
      const accepted = attempt(() => (canonicalAddress(candidate).includes(':') ? 6 : 4));
      assert.equal(accepted ?? 0, isIP(candidate));
    }),
    { numRuns: 2000 },
  );
});

test('canonical text is a fixed point', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(32), (ip, prefix) => {
      const once = canonicalCidr(`${ip}/${prefix}`);
      assert.equal(canonicalCidr(once), once);
      const url = ip.includes(':') ? new URL(`http://[${ip}]/`).hostname.slice(1, -1) : ip;
      assert.equal(canonicalAddress(url), canonicalAddress(ip));
    }),
  );
});

function attempt<T>(action: () => T): T | null {
  try {
    return action();
  } catch {
    return null;
  }
}
