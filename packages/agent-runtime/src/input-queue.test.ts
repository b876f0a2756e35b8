import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputQueue } from './input-queue.ts';

const tick = { kind: 'tick' } as const;
const stop = { kind: 'stop' } as const;

test('an input from inside a handler waits until the current input is handled', () => {
  const order: string[] = [];
  const queue: InputQueue = new InputQueue(
    ({ kind }) => {
      order.push(`begin ${kind}`);
      if (kind === 'tick') queue.put(stop);
      order.push(`end ${kind}`);
    },
    () => order.push('settled'),
  );
  queue.put(tick);
  assert.deepEqual(order, ['begin tick', 'end tick', 'begin stop', 'end stop', 'settled']);
});

test('a queue accepts inputs after its handler threw, and cleared inputs are not handled', () => {
  const handled: string[] = [];
  const queue: InputQueue = new InputQueue(
    ({ kind }) => {
      if (kind === 'tick') {
        queue.put(stop);
        queue.clear();
        throw new Error('broken');
      }
      handled.push(kind);
    },
    () => {},
  );
  assert.throws(() => queue.put(tick), /broken/);
  assert.deepEqual(handled, []);
  queue.put(stop);
  assert.deepEqual(handled, ['stop']);
});
