import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { RelayPair, RelaySide } from '../types.ts';
import { relayChange } from './change.ts';
import { counterName, counterOwner, relayContent } from './pairs.ts';
import { relayRuleset, relayTable } from './ruleset.ts';

const A: RelaySide = { address: '198.51.100.7', port: 40001, local: '203.0.113.1' };
const B: RelaySide = { address: '192.0.2.9', port: 51820, local: '203.0.113.2' };
const FOUR: RelayPair = { id: 'pair-4', port: 52001, a: A, b: B, bytesPerSecond: 1_000_000, expiresAt: 61_000 };
const SIX: RelayPair = {
  id: 'pair-6',
  port: 52002,
  a: { address: '2001:DB8::7', port: 40001, local: '2001:db8:1::1' },
  b: { address: '2001:db8:2::9', port: 51820, local: '2001:db8:1::1' },
  bytesPerSecond: 500,
  expiresAt: null,
};
const TABLE = relayTable('sp0');
const NONE = relayContent([], 0);

describe('relay table', () => {
  it('renders loads and changes as golden text', () => {
    const both = relayContent([FOUR, SIX], 1000);
    const moved = relayContent(
      [
        { ...FOUR, b: { ...B, port: 51900 } },
        { ...SIX, bytesPerSecond: 900 },
      ],
      2000,
    );
    const texts = [
      relayRuleset(TABLE),
      relayChange(TABLE, NONE, both, 1000),
      relayChange(TABLE, both, moved, 2000),
      relayChange(TABLE, moved, NONE, 3000),
    ];
    assert.equal(texts.join('\n'), readFileSync(new URL('golden.nft', import.meta.url), 'utf8'));
  });

  it('has nothing to change for pairs that are already present', () => {
    assert.equal(relayChange(TABLE, relayContent([FOUR, SIX], 1000), relayContent([SIX, FOUR], 5000), 5000), null);
  });

  it('leaves pairs that the kernel cannot serve to the socket', () => {
    const others: RelayPair[] = [
      { ...FOUR, id: 'half', port: 1, b: null },
      { ...FOUR, id: 'new', port: 2, a: null, b: null },
      { ...FOUR, id: 'mixed', port: 3, b: SIX.b },
      { ...FOUR, id: 'mixed-local', port: 4, b: { ...B, local: '2001:db8:1::1' } },
      { ...FOUR, id: 'alike', port: 5, b: { ...A, local: B.local } },
      { ...FOUR, id: 'over', port: 6, expiresAt: 1000 },
    ];
    const content = relayContent([...others, FOUR], 1000);
    assert.deepEqual([...content.ids], ['pair-4']);
    assert.equal(content.maps.ways4.size, 2);
  });

  it('refuses contradictory or malformed pairs', () => {
    const broken: RelayPair[][] = [
      [FOUR, { ...SIX, id: FOUR.id }],
      [FOUR, { ...SIX, port: FOUR.port }],
      [{ ...FOUR, id: '' }],
      [{ ...FOUR, id: 'x'.repeat(101) }],
      [{ ...FOUR, port: 0 }],
      [{ ...FOUR, bytesPerSecond: 0 }],
      [{ ...FOUR, expiresAt: Number.NaN }],
      [{ ...FOUR, a: { ...A, port: 70_000 } }],
      [{ ...FOUR, a: { ...A, address: '1.2.3.4 . 5' } }],
    ];
    for (const pairs of broken) assert.throws(() => relayContent(pairs, 1000), { code: 'invalid-state' });
  });

  it('finds the pair of a counter', () => {
    assert.deepEqual(counterOwner(counterName('pair-4', 'b')), { id: 'pair-4', side: 'b' });
    assert.deepEqual(counterOwner(counterName('a:b" }/ü', 'a')), { id: 'a:b" }/ü', side: 'a' });
    assert.match(counterName('x" }', 'a'), /^[a-z0-9_.]+$/);
    for (const strange of ['policy.x', 'from_a.', 'from_a._ffffff_']) assert.equal(counterOwner(strange), null);
  });
});
