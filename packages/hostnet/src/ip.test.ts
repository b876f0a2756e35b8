import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  coveringPrefix,
  formatAddress,
  formatNetwork,
  formatRange,
  parseAddress,
  parsePrefix,
  parseRange,
} from './ip.ts';

describe('addresses', () => {
  it('parses its own output and every address that the standard library accepts', () => {
    const value = fc.oneof(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), fc.bigInt({ min: 0n, max: 0xffffn }));
    fc.assert(
      fc.property(value, (number) => {
        const text = formatAddress({ family: 6, value: number });
        assert.equal(isIP(text), 6);
        assert.equal(new URL(`http://[${text}]/`).hostname, `[${text}]`, 'canonical as in RFC 5952');
        assert.deepEqual(parseAddress(text), { family: 6, value: number });
      }),
    );
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ maxLength: 12 })), (text) => {
        const valid = isIP(text) !== 0 && !text.includes('%');
        if (valid) assert.equal(parseAddress(formatAddress(parseAddress(text))).value, parseAddress(text).value);
        else assert.throws(() => parseAddress(text), { code: 'invalid-state' });
      }),
    );
  });

  it('parses ranges and prefixes', () => {
    assert.equal(formatRange(parseRange('fd00:0::01-fd00::FF')), 'fd00::1-fd00::ff');
    assert.equal(formatNetwork(parsePrefix('100.64.1.2/10')), '100.64.0.0/10');
    assert.equal(formatNetwork(parsePrefix('fd7a:1::9/48')), 'fd7a:1::/48');
    for (const text of ['1.1.1.2-1.1.1.1', '1.1.1.1-::1', '1.1.1.1', '-', '1.1.1.1-1.1.1.1-1.1.1.1']) {
      assert.throws(() => parseRange(text), { code: 'invalid-state' });
    }
    for (const text of ['1.1.1.1/33', '::/129', '1.1.1.1', '1.1.1.1/', '1.1.1.1/-1', '1.1.1.1/8 dev x']) {
      assert.throws(() => parsePrefix(text), { code: 'invalid-state' });
    }
  });

  it('finds the smallest network with all addresses', () => {
    assert.equal(coveringPrefix([]), null);
    assert.equal(coveringPrefix(['100.96.0.7']), '100.96.0.7/32');
    assert.equal(coveringPrefix(['100.96.0.5', '100.96.0.4', '100.96.0.6']), '100.96.0.4/30');
    assert.equal(coveringPrefix(['0.0.0.0', '255.0.0.1']), '0.0.0.0/0');
    assert.equal(coveringPrefix(['fd00::1', 'fd00::1:1']), 'fd00::/111');
  });
});
