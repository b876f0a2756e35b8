import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  canonicalPrefix,
  canonicalUnmapped,
  formatAddress,
  formatInterfaceAddress,
  formatPrefix,
  formatRange,
  mergeAdjacent,
  parseAddress,
  parseInterfaceAddress,
  parsePrefix,
  parseRange,
  parseUnmapped,
  rangeContains,
  rangesOverlap,
  rangeToPrefixes,
  unmapPrefix,
  withoutRanges,
} from './index.ts';

const address = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => ({ family: 4 as const, value })),
  fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => ({ family: 6 as const, value })),
);

test('formatting and parsing an address gives the same address', () => {
  fc.assert(fc.property(address, (a) => assert.deepEqual(parseAddress(formatAddress(a)), a)));
});

test('IPv6 text is canonical as RFC 5952 defines it', () => {
  for (const [given, canonical] of [
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['0:0:0:0:0:FFFF:192.0.2.1', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['::192.0.2.1', '::c000:201'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['fe80::', 'fe80::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['::', '::'],
    ['1::', '1::'],
  ] as const) {
    assert.equal(canonicalPrefix(given), canonical);
  }
});

test('text that is not exactly one address is refused', () => {
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
    '256.1.1.1',
    ':',
    '1:',
    ':1',
    '1::2:',
    '::1:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1.2.3.4:1',
    '::ffff:01.2.3.4',
    '::g',
    '1.2.3.4\n',
    '1.2.3.',
    '１.2.3.4',
  ]) {
    assert.equal(parseAddress(bad), null, bad);
  }
  for (const bad of [
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '::/129',
    '10.0.0.0/8/8',
    '1.1.1.1/-1',
    '1.1.1.1/8 dev x',
    '/8',
    '1.1.1.1/+8',
  ])
    assert.equal(parsePrefix(bad), null, bad);
});

test('host bits of a prefix are ignored', () => {
  assert.equal(canonicalPrefix('10.1.2.3/8'), '10.0.0.0/8');
  assert.equal(canonicalPrefix('10.1.2.3/32'), '10.1.2.3');
});

test('prefixes of a range cover exactly the range', () => {
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

test('the parser takes exactly what the standard library takes, apart from zones', () => {
  const text = fc.oneof(fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[0-9a-fF:.]{0,20}$/), fc.string({ maxLength: 12 }));
  fc.assert(
    fc.property(text, (candidate) => {
      assert.equal(parseAddress(candidate)?.family ?? 0, candidate.includes('%') ? 0 : isIP(candidate));
    }),
    { numRuns: 3000 },
  );
});

test('the parser reads the same number as the standard library', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV6(), mappedText), (text) => {
      const url = new URL(`http://[${text}]/`).hostname.slice(1, -1);
      const groups = url.split('::').map((half) => half.split(':').filter((group) => group !== ''));
      const [head = [], tail = []] = groups;
      const zeros = new Array(8 - head.length - tail.length).fill('0');
      const value = [...head, ...zeros, ...tail].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
      assert.deepEqual(parseAddress(text), { family: 6, value });
    }),
  );
});

/** One IPv4 address, and spellings of the IPv4-mapped address that stands for it. */
const mapped = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => {
  const dotted = formatAddress({ family: 4, value });
  const [high, low] = [(value >> 16n).toString(16), (value & 0xffffn).toString(16)];
  const tails = [dotted, `${high}:${low}`, `${high.padStart(4, '0')}:${low.padStart(4, '0')}`];
  const heads = ['::ffff:', '::FFFF:', '0:0:0:0:0:ffff:', '0000:0:0::ffff:', '0::0:ffff:'];
  return { dotted, spellings: heads.flatMap((head) => tails.map((tail) => head + tail)) };
});
const mappedText = mapped.chain(({ spellings }) => fc.constantFrom(...spellings));

test('every spelling of an IPv4-mapped address has one text, and unmaps to its IPv4 address', () => {
  fc.assert(
    fc.property(mapped, ({ dotted, spellings }) => {
      for (const spelling of spellings) {
        assert.equal(canonicalPrefix(spelling), `::ffff:${dotted}`);
        assert.equal(canonicalUnmapped(spelling), dotted);
      }
      assert.equal(canonicalUnmapped(dotted), dotted);
    }),
  );
});

test('unmapped on both sides, a mapped address matches a prefix exactly when its IPv4 form does', () => {
  const length = fc.nat(32);
  fc.assert(
    fc.property(mapped, mapped, length, fc.nat(14), (source, rule, bits, which) => {
      const plain = parsePrefix(`${rule.dotted}/${bits}`) ?? assert.fail();
      const dressed = unmapPrefix(parsePrefix(`${rule.spellings[which]}/${bits + 96}`) ?? assert.fail());
      assert.deepEqual(dressed, plain);
      const spelled = parseUnmapped(source.spellings[which] ?? assert.fail()) ?? assert.fail();
      const address = parseAddress(source.dotted) ?? assert.fail();
      assert.equal(
        rangeContains(dressed, spelled.family, spelled.value),
        rangeContains(plain, address.family, address.value),
      );
    }),
  );
});

test('only IPv4-mapped addresses and prefixes are unmapped', () => {
  for (const text of ['::192.0.2.1', '64:ff9b::c000:201', '::fffe:c000:201', '::1:ffff:c000:201', '2002:c000:201::'])
    assert.equal(parseUnmapped(text)?.family, 6, text);
  for (const text of ['::/0', '::ffff:0:0/95', '::fffe:0:0/96', 'fd00::/8']) {
    const prefix = parsePrefix(text) ?? assert.fail(text);
    assert.deepEqual(unmapPrefix(prefix), prefix, text);
  }
});

test('interface addresses keep their host bits', () => {
  assert.equal(formatInterfaceAddress(parseInterfaceAddress('10.1.2.3/9') ?? assert.fail()), '10.1.2.3/9');
  assert.equal(formatInterfaceAddress(parseInterfaceAddress('FD00::1') ?? assert.fail()), 'fd00::1/128');
  assert.equal(formatPrefix(parsePrefix('10.1.2.3/9') ?? assert.fail()), '10.0.0.0/9');
});

test('a range without holes, and the holes, cover each address once', () => {
  const small = fc.tuple(fc.nat(60), fc.nat(12)).map(([first, size]) => ({
    family: 4 as const,
    first: BigInt(first),
    last: BigInt(first + size),
  }));
  fc.assert(
    fc.property(small, fc.array(small, { maxLength: 5 }), (range, holes) => {
      const left = withoutRanges(range, holes);
      for (let value = 0n; value < 80n; value++) {
        const inHole = holes.some((hole) => rangeContains(hole, 4, value));
        const expected = rangeContains(range, 4, value) && !inHole ? 1 : 0;
        assert.equal(left.filter((part) => rangeContains(part, 4, value)).length, expected);
      }
      assert.deepEqual(mergeAdjacent(left), left, 'parts never touch');
    }),
  );
});
