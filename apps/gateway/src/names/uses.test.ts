import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NameUses } from './uses.ts';

test('names are told together, and each again only after hours', () => {
  const told: string[][] = [];
  let now = 0;
  const uses = new NameUses(
    (names) => told.push([...names]),
    () => now,
  );
  for (const name of ['a', 'b', 'a']) uses.note(name);
  uses.flush();
  uses.note('a');
  uses.flush();
  assert.deepEqual(told, [['a', 'b']]);
  now += 7 * 3_600_000;
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
