import assert from 'node:assert/strict';
import { test } from 'node:test';
import { returnMemory } from './index.ts';

test('returning memory frees what nothing uses', () => {
  const kept = new WeakRef(Array.from({ length: 100_000 }, (_, at) => ({ at })));
  return new Promise<void>((resolve) => {
    // A reference that was read stays alive until its turn of the event loop is over.
    setImmediate(() => {
      returnMemory();
      assert.equal(kept.deref(), undefined);
      assert.equal(Reflect.get(globalThis, 'gc'), undefined, 'nothing else can collect');
      resolve();
    });
  });
});
