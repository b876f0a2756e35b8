import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JoinedLookUps } from './look-ups.ts';

/** Look-ups whose answers the test gives. */
function scripted() {
  const asked: { keys: readonly string[]; answer: PromiseWithResolvers<ReadonlyMap<string, number>> }[] = [];
  const lookUps = new JoinedLookUps<string, number>((keys) => {
    const answer = Promise.withResolvers<ReadonlyMap<string, number>>();
    asked.push({ keys, answer });
    return answer.promise;
  }, 3);
  return { asked, lookUps };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('look-ups of one moment share a query, and later ones wait for the next', async () => {
  const { asked, lookUps } = scripted();
  const first = ['a', 'b', 'a'].map((key) => lookUps.find(key));
  await turn();
  assert.deepEqual(
    asked.map(({ keys }) => keys),
    [['a', 'b']],
  );
  const second = ['a', 'c'].map((key) => lookUps.find(key));
  await turn();
  assert.equal(asked.length, 1, 'a query that has begun may be older than these questions');
  asked[0]?.answer.resolve(new Map([['a', 1]]));
  assert.deepEqual(await Promise.all(first), [1, null, 1]);
  await turn();
  assert.deepEqual(asked[1]?.keys, ['a', 'c']);
  asked[1]?.answer.resolve(new Map([['a', 2]]));
  assert.deepEqual(await Promise.all(second), [2, null]);
});

test('the next query waits for a rest, and takes all that come meanwhile', async () => {
  const queries: (readonly string[])[] = [];
  const times: number[] = [];
  const lookUps = new JoinedLookUps<string, number>(
    async (keys) => {
      queries.push(keys);
      return new Map();
    },
    10,
    (tookMs) => {
      times.push(tookMs);
      return 20;
    },
  );
  await lookUps.find('a');
  const later = [lookUps.find('b')];
  await turn();
  await turn();
  later.push(lookUps.find('c'));
  await Promise.all(later);
  assert.deepEqual(queries, [['a'], ['b', 'c']]);
  assert.ok(times.every((ms) => ms >= 0));
});

test('a query looks a bounded number of keys up', async () => {
  const { asked, lookUps } = scripted();
  const all = ['a', 'b', 'c', 'd'].map((key) => lookUps.find(key));
  await turn();
  asked[0]?.answer.resolve(new Map([['a', 1]]));
  assert.equal(await all[0], 1);
  await turn();
  assert.deepEqual(
    asked.map(({ keys }) => keys),
    [['a', 'b', 'c'], ['d']],
  );
  asked[1]?.answer.resolve(new Map([['d', 4]]));
  assert.equal(await all[3], 4);
});

test('a query that fails fails its own look-ups only', async () => {
  const { asked, lookUps } = scripted();
  const failing = lookUps.find('a');
  await turn();
  asked[0]?.answer.reject(new Error('gone'));
  await assert.rejects(failing, /gone/);
  const next = lookUps.find('a');
  await turn();
  asked[1]?.answer.resolve(new Map([['a', 1]]));
  assert.equal(await next, 1);
});
