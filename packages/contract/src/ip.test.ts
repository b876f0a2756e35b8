import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  canonicalPrefix,
  formatAddress,
  formatRange,
  parseAddress,
  parsePrefix,
  parseRange,
  rangesOverlap,
  rangeToPrefixes,
} from './ip.ts';

const address = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => ({ family: 4 as const, value })),
  fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => ({ family: 6 as const, value })),
);

test('every address survives being written and read', () => {
  fc.assert(fc.property(address, (a) => assert.deepEqual(parseAddress(formatAddress(a.family, a.value)), a)));
});

test('IPv6 text is the canonical one of RFC 5952', () => {
  for (const [given, canonical] of [
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['::', '::'],
    ['1::', '1::'],
  ] as const) {
    assert.equal(canonicalPrefix(given), canonical);
  }
});

test('what is not exactly one address is refused', () => {
  for (const bad of [
    '',
    '1.2.3',
    '01.2.3.4',
    '1.2.3.256',
    '1.2.3.4.5',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '::1%eth0',
    'fe80::1::',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    ' 1.2.3.4',
    '1.2.3.4:5::',
  ]) {
    assert.equal(parseAddress(bad), null, bad);
  }
  for (const bad of ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/08', '::/129', '10.0.0.0/8/8'])
    assert.equal(parsePrefix(bad), null, bad);
});

test('host bits of a prefix are ignored', () => {
  assert.equal(canonicalPrefix('10.1.2.3/8'), '10.0.0.0/8');
  assert.equal(canonicalPrefix('10.1.2.3/32'), '10.1.2.3');
});

test('a range is covered exactly by its prefixes', () => {
  fc.assert(
    fc.property(address, fc.bigInt({ min: 0n, max: 5000n }), ({ family, value }, size) => {
      const max = family === 4 ? 2n ** 32n - 1n : 2n ** 128n - 1n;
      const range = { family, first: value, last: value + size > max ? max : value + size };
      let at = range.first;
      for (const text of rangeToPrefixes(range)) {
        const prefix = parsePrefix(text);
        assert.ok(prefix);
        assert.equal(prefix.first, at);
        at = prefix.last + 1n;
      }
      assert.equal(at, range.last + 1n);
      assert.deepEqual(parseRange(formatRange(range)), range);
    }),
  );
});

test('the whole IPv6 space is one prefix', () => {
  assert.deepEqual(rangeToPrefixes({ family: 6, first: 0n, last: 2n ** 128n - 1n }), ['::/0']);
});

test('ranges of two families never overlap', () => {
  assert.equal(rangesOverlap({ family: 4, first: 0n, last: 9n }, { family: 6, first: 0n, last: 9n }), false);
  assert.equal(rangesOverlap({ family: 4, first: 0n, last: 9n }, { family: 4, first: 9n, last: 12n }), true);
});
