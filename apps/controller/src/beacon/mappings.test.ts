import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Mappings } from './mappings.ts';

const [home, cafe, other] = ['192.0.2.1:1', '198.51.100.2:2', '203.0.113.3:3'] as const;
const independent = (endpoint: string) => ({ kind: 'independent', endpoint });

test('one place at both ports is independent, two places are dependent, and one port alone decides nothing', () => {
  const mappings = new Mappings();
  assert.equal(mappings.seen('a', 0, home, 0), null);
  assert.equal(mappings.seen('a', 0, home, 60_000), null);
  assert.deepEqual(mappings.seen('a', 1, home, 60_000), independent(home));
  assert.equal(mappings.seen('a', 1, home, 80_000), null);
  mappings.seen('b', 1, home, 0);
  assert.deepEqual(mappings.seen('b', 0, cafe, 100), { kind: 'dependent' });
  mappings.seen('c', 0, home, 0);
  assert.deepEqual(mappings.kinds(), { undecided: 1, independent: 1, dependent: 1 });
});

test('a move is followed at once, and the other port confirms or denies it', () => {
  const mappings = new Mappings();
  for (const port of [0, 1] as const) mappings.seen('a', port, home, 1000);
  assert.deepEqual(mappings.seen('a', 1, cafe, 21_000), independent(cafe));
  assert.equal(mappings.seen('a', 0, cafe, 21_100), null);
  assert.deepEqual(mappings.seen('a', 0, home, 40_000), independent(home));
  assert.deepEqual(mappings.seen('a', 1, other, 40_100), { kind: 'dependent' });
});

test('sights of different times are not compared', () => {
  const mappings = new Mappings();
  mappings.seen('a', 0, home, 0);
  assert.equal(mappings.seen('a', 1, cafe, 15_000), null);
  assert.deepEqual(mappings.seen('a', 0, cafe, 20_000), independent(cafe));
});

test('a mapping that depends on the destination stays so when the NAT forgets it', () => {
  const mappings = new Mappings();
  mappings.seen('a', 0, home, 0);
  mappings.seen('a', 1, cafe, 0);
  assert.equal(mappings.seen('a', 0, other, 60_000), null);
  assert.deepEqual(mappings.of('a'), { kind: 'dependent' });
});

test('an agent silent at both ports is forgotten after three minutes, and one silent at one port is not', () => {
  const mappings = new Mappings();
  for (const port of [0, 1] as const) mappings.seen('a', port, home, 0);
  assert.deepEqual(mappings.silent(179_999), []);
  mappings.seen('a', 1, cafe, 200_000);
  assert.deepEqual(mappings.of('a'), independent(cafe));
  assert.deepEqual([mappings.silent(379_999), mappings.silent(380_000)], [[], ['a']]);
  mappings.forget('a');
  assert.deepEqual([mappings.of('a'), mappings.size], [{ kind: 'undecided' }, 0]);
});

test('an agent that knocks every 20 seconds is judged rightly a keepalive after its last move, whatever came before', () => {
  const moves = fc.array(fc.record({ after: fc.integer({ min: 1, max: 300 }), at: fc.tuple(fc.nat(3), fc.nat(3)) }), {
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(
    fc.property(moves, fc.integer({ min: 1, max: 19 }), (steps, skew) => {
      const mappings = new Mappings();
      let second = 0;
      for (const { after, at } of steps) {
        // Seen at both ports, two keepalives after each move at the latest.
        for (const end = second + after + 40; second < end; second++)
          for (const port of [0, 1] as const)
            if (second % 20 === port * skew) mappings.seen('a', port, `192.0.2.1:${at[port] + 1}`, second * 1000);
        const [first, last] = at;
        const right = first === last ? independent(`192.0.2.1:${first + 1}`) : { kind: 'dependent' };
        assert.deepEqual(mappings.of('a'), right);
      }
    }),
  );
});
