import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

/** Tenants that write, with the names of the groups that run. */
function open(tenants: number, mostMs: number) {
  const turns = new Turns(mostMs);
  for (let n = 0; n < tenants; n++) turns.enter();
  const running = new Set<string>();
  const ends = new Map<string, () => void>();
  const begin = async (name: string) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    ends.set(name, resolve);
    await turns.run(true, async () => {
      running.add(name);
      await promise;
      running.delete(name);
    });
  };
  const end = async (name: string) => {
    ends.get(name)?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { turns, begin, end, running: () => [...running].join(' ') };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('half of the tenants write at the same time, and the one that waited longest comes next', async () => {
  const { begin, end, running } = open(6, 60_000);
  const all = ['a', 'b', 'c', 'd', 'e', 'f'].map(begin);
  await settled();
  assert.equal(running(), 'a b c');
  await end('b');
  assert.equal(running(), 'a c d');
  await end('a');
  await end('c');
  assert.equal(running(), 'd e f');
  for (const name of ['d', 'e', 'f']) await end(name);
  await Promise.all(all);
});

test('two tenants never wait for each other', async () => {
  const { begin, end, running } = open(2, 60_000);
  const both = ['a', 'b'].map(begin);
  await settled();
  assert.equal(running(), 'a b');
  for (const name of ['a', 'b']) await end(name);
  await Promise.all(both);
});

test('a tenant does not wait for long behind others that are blocked', async () => {
  const { begin, end, running, turns } = open(4, 1);
  const blocked = ['a', 'b'].map(begin);
  await settled();
  const third = begin('c');
  await turns.run(true, async () => assert.equal(running(), 'a b c'));
  for (const name of ['a', 'b', 'c']) await end(name);
  await Promise.all([...blocked, third]);
});
