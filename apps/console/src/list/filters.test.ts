import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chipWords, type FilterField, filterParameters, readChips, readSort, written } from './filters.ts';

const fields: readonly FilterField[] = [
  { field: 'status', label: 'Status', choices: { ONLINE: 'Online', ERROR: 'Error' } },
  { field: 'name', label: 'Name' },
  { field: 'object', label: 'Object', whole: true, noNot: true },
];

test('a condition is the same after it went through the address', () => {
  for (const values of [['a'], ['a,b', 'c'], ['!not'], ['50%'], ['%2C'], ['مكتب'], ['a b&c=d']])
    for (const not of [false, true]) {
      const chip = { field: 'name', not, values };
      assert.deepEqual(readChips({ name: written(chip) }, fields), [chip]);
    }
});

test('an address with unknown values or broken signs shows the list', () => {
  assert.deepEqual(readChips({ status: 'ONLINE,NOTHING,__proto__' }, fields), [
    { field: 'status', not: false, values: ['ONLINE'] },
  ]);
  assert.deepEqual(readChips({ status: '!', name: '', other: 'x' }, fields), []);
  assert.deepEqual(readChips({ name: '%E0%A4%A' }, fields), [{ field: 'name', not: false, values: ['%E0%A4%A'] }]);
  assert.deepEqual(readChips({ name: 7 }, fields), [{ field: 'name', not: false, values: ['7'] }]);
});

test('a field that cannot be excluded takes ! as a part of the text', () => {
  assert.deepEqual(filterParameters([{ field: 'object', not: false, values: ['x'] }], fields), [
    ['filter[object][in]', 'x'],
  ]);
  assert.equal(readChips({ object: '!x' }, fields)[0]?.not, false);
});

test('conditions become filters of the API', () => {
  const chips = readChips({ status: '!ONLINE,ERROR', name: 'office' }, fields);
  assert.deepEqual(filterParameters(chips, fields), [
    ['filter[status][nin]', 'ONLINE,ERROR'],
    ['filter[name][ilike]', '%office%'],
  ]);
  assert.deepEqual(
    chips.map((chip) => chipWords(chip, fields)),
    ['Status is not Online or Error', 'Name contains office'],
  );
  const other = readChips({ name: '!lab' }, fields);
  assert.deepEqual(filterParameters(other, fields), [['filter[name][ne]', 'lab']]);
  assert.deepEqual(
    other.map((chip) => chipWords(chip, fields)),
    ['Name is not lab'],
  );
});

test('a list is sorted by known fields only', () => {
  assert.deepEqual(readSort('-name', ['name']), { field: 'name', down: true });
  assert.equal(readSort('secret', ['name']), null);
  assert.equal(readSort(7, ['name']), null);
});
