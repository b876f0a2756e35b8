import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Actor, createStore, type Store } from '../db/store.ts';
import { alone } from '../replicas/alone.ts';
import { createSecretBox } from '../secrets/box.ts';
import { loadIdentity } from '../secrets/identity.ts';
import { openTestStore } from '../testing/harness.ts';
import { SigningKeyRotation } from './signing-key.ts';

const operator: Actor = { kind: 'operator', id: null, name: 'operator' };
const box = createSecretBox(Buffer.alloc(32, 1));

/** What a start reads, and a rotation with it. `through`: the store that the rotation works on. */
async function started(store: Store, through: Store = store) {
  const identity = await loadIdentity(through, box);
  const failed = (error: unknown) => assert.fail(String(error));
  const rotation = new SigningKeyRotation({
    ...{ store: through, box, identity, replicas: alone('0.0.0', store.now), moveAgents: () => {}, failed },
  });
  return { identity, rotation };
}

test('a rotation that ends at any statement has replaced the key or has not', async (t) => {
  let ended = 0;
  for (let after = 4; ; after++) {
    const store = await openTestStore(t);
    const before = (await loadIdentity(store, box)).key.publicKey;
    const { rotation } = await started(store, endingStore(store, after));
    const done = await rotation.rotate(operator).then(
      () => true,
      () => false,
    );
    const { key, earlier, successions } = await loadIdentity(store, box);
    const replaced = key.publicKey !== before;
    assert.deepEqual([earlier?.publicKey, successions.length], replaced ? [before, 1] : [undefined, 0]);
    if (done) break;
    ended++;
  }
  assert.ok(ended > 4, `${ended} interruptions`);
});

test('the successions stay bounded, and each is signed by the key before', async (t) => {
  const store = await openTestStore(t);
  const { rotation, identity } = await started(store);
  for (let n = 0; n < 10; n++) {
    await rotation.rotate(operator);
    await rotation.finish(operator);
  }
  assert.equal(identity.successions.length, 8);
  assert.equal(identity.successions.at(-1)?.to, identity.key.publicKey);
  for (const [n, { from }] of identity.successions.entries())
    if (n > 0) assert.equal(from, identity.successions[n - 1]?.to);
  assert.deepEqual((await loadIdentity(store, box)).successions, identity.successions);
});

test('a key that is replaced once more before the end is the same key', async (t) => {
  const { rotation, identity } = await started(await openTestStore(t));
  await rotation.rotate(operator);
  const { key, earlier } = identity;
  await rotation.rotate(operator);
  assert.equal(identity.key, key);
  assert.equal(identity.earlier, earlier);
});

/** The same store, for a process that ends at a statement. */
function endingStore(store: Store, after: number): Store {
  let left = after;
  const db = store.db.withPlugin({
    transformQuery: ({ node }) => {
      if (left-- <= 0) throw new Error('the process ended');
      return node;
    },
    transformResult: async ({ result }) => result,
  });
  return createStore(db, store.now);
}
