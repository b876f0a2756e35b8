import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { NameItem } from '@sallyport/contract/channel';
import { NameUses } from './uses.ts';

const hourMs = 3_600_000;

function nameItem(id: string, n: number): NameItem {
  return { kind: 'name', key: `name/${id}`, id, addresses: [`100.96.0.${n}`, `fd00::${n}`], resources: [] };
}

function open(t: TestContext, items: readonly NameItem[] = []) {
  t.mock.timers.enable({ apis: ['Date', 'setTimeout', 'setInterval'] });
  const told: string[][] = [];
  const flows = new Set<string>();
  const asked: string[][] = [];
  const failures: unknown[] = [];
  let broken: Error | null = null;
  const uses = new NameUses({
    tell: (names) => told.push([...names]),
    names: () => items,
    flowsTo: async (addresses) => {
      asked.push([...addresses]);
      if (broken !== null) throw broken;
      return new Set([...addresses].filter((address) => flows.has(address)));
    },
    failed: (error) => failures.push(error),
    now: Date.now,
  });
  const breaks = (error: Error | null) => {
    broken = error;
  };
  /** Lets time pass, and the work that it begins come to its end. */
  const pass = async (ms: number) => {
    t.mock.timers.tick(ms);
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  return { uses, told, flows, asked, failures, breaks, pass };
}

test('names are told together, and each again only after hours', async (t) => {
  const { uses, told, pass } = open(t);
  for (const name of ['a', 'b', 'a']) uses.note(name);
  await pass(1_000);
  uses.note('a');
  uses.flush();
  assert.deepEqual(told, [['a', 'b']]);
  await pass(7 * hourMs);
  uses.note('a');
  uses.flush();
  assert.deepEqual(told, [['a', 'b'], ['a']]);
  for (let n = 0; n < 2_500; n++) uses.note(`n${n}`);
  uses.flush();
  assert.deepEqual(
    told.slice(2).map(({ length }) => length),
    [1_000, 1_000, 500],
  );
});

test('the first use is told soon, and the next ones within a minute', async (t) => {
  const { uses, told, pass } = open(t);
  uses.note('a');
  await pass(1_000);
  assert.deepEqual(told, [['a']]);
  uses.note('b');
  await pass(30_000);
  uses.note('c');
  assert.deepEqual(told, [['a']]);
  await pass(30_000);
  assert.deepEqual(told, [['a'], ['b', 'c']]);
});

test('a flow is a use as long as it is known, without any query', async (t) => {
  const { uses, told, flows, asked, pass } = open(t, [nameItem('long', 1), nameItem('idle', 2), nameItem('six', 3)]);
  flows.add('100.96.0.1').add('fd00::3').add('10.0.0.9');
  uses.follow();
  uses.follow();
  await pass(0);
  await pass(1_000);
  assert.deepEqual(asked, [
    ['100.96.0.1', '100.96.0.2', '100.96.0.3'],
    ['fd00::1', 'fd00::2', 'fd00::3'],
  ]);
  assert.deepEqual(told, [['long', 'six']]);
  flows.delete('fd00::3');
  for (let hour = 1; hour <= 6; hour++) await pass(hourMs);
  assert.equal(told.length, 1);
  await pass(hourMs);
  await pass(1_000);
  assert.deepEqual(told.slice(1), [['long']]);
  await uses.stop();
  const before = asked.length;
  await pass(24 * hourMs);
  assert.equal(asked.length, before);
});

test('without names of wildcards no flow is looked for, and a failure is told once', async (t) => {
  const items: NameItem[] = [];
  const { uses, asked, failures, breaks, pass } = open(t, items);
  uses.follow();
  await pass(hourMs);
  assert.deepEqual(asked, []);
  items.push(nameItem('a', 1));
  breaks(new Error('no such program'));
  await pass(hourMs);
  await pass(hourMs);
  assert.equal(failures.length, 1);
  breaks(null);
  await pass(hourMs);
  breaks(new Error('again'));
  await pass(hourMs);
  assert.equal(failures.length, 2);
});
