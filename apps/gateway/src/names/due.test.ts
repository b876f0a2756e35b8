import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Due, DueQueue } from './due.ts';

interface Entry extends Due {
  readonly id: number;
  gone: boolean;
}

test('entries come in the order of their present times, and those that no longer count never', () => {
  const step = fc.record({ id: fc.nat(20), at: fc.nat(50), gone: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.nat(60), (steps, now) => {
      const queue = new DueQueue<Entry>(({ gone }) => !gone);
      const entries = Array.from(
        { length: 21 },
        (_, id): Entry => ({ id, nextAt: Number.POSITIVE_INFINITY, gone: false }),
      );
      for (const { id, at, gone } of steps) {
        const entry = entries[id] as Entry;
        entry.gone = gone;
        queue.set(entry, at, entries.length);
      }
      const wanted = entries.filter(({ gone, nextAt }) => !gone && nextAt <= now).map(({ nextAt }) => nextAt);
      const taken: Entry[] = [];
      for (let entry = queue.take(now); entry !== null; entry = queue.take(now)) {
        taken.push(entry);
        entry.nextAt = Number.POSITIVE_INFINITY;
      }
      assert.deepEqual(taken.map(({ id }) => id).sort(), [...new Set(taken.map(({ id }) => id))].sort(), 'each once');
      assert.equal(taken.length, wanted.length);
      assert.ok(queue.nextAt > now);
    }),
  );
});

test('an entry whose time changes again and again takes no more and more room', () => {
  const queue = new DueQueue<Due>(() => true);
  let time = 0;
  let looks = 0;
  const entry: Due = {
    get nextAt() {
      looks += 1;
      return time;
    },
    set nextAt(at) {
      time = at;
    },
  };
  for (let i = 0; i < 10_000; i++) queue.set(entry, i, 1);
  looks = 0;
  assert.equal(queue.take(20_000), entry);
  assert.ok(looks < 100, `${looks} times of an entry were looked at`);
});
