import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NameItem, StateItem } from '@sallyport/contract/channel';
import { ProbeBook } from './probe-book.ts';

const name = (id: string, ...resources: NameItem['resources']): NameItem => ({
  ...{ kind: 'name', key: `name/${id}`, id, addresses: ['100.96.0.1'] },
  resources,
});
const probe: StateItem = { kind: 'probe', key: 'probe/p', id: 'p', resource: 'mixed', target: '10.0.0.1', port: 80 };
const failed = (id: string, resource: string) => ({ id, resource, reachable: false, detail: 'it does not exist' });

test('a name that does not resolve makes a resource unreachable, unless another address of it works', () => {
  const book = new ProbeBook();
  const names = name('wiki', { id: 'wiki', probe: 'w' }, { id: 'mixed', probe: 'm' });
  book.expectOnly([probe, names]);
  book.record([failed('w', 'wiki'), failed('m', 'mixed'), failed('unknown', 'other')]);
  assert.deepEqual(book.unreachable, ['wiki']);
  assert.deepEqual([...book.results.keys()], ['w', 'm']);
  book.record([failed('p', 'mixed')]);
  assert.deepEqual(book.unreachable, ['mixed', 'wiki']);
  book.record([{ ...failed('w', 'wiki'), reachable: true }]);
  assert.deepEqual(book.unreachable, ['mixed']);
});

test('results go with the name, or with the resource that no longer has it', () => {
  const book = new ProbeBook();
  book.expectOnly([name('wiki', { id: 'a', probe: 'a' }, { id: 'b', probe: 'b' })]);
  book.record([failed('a', 'a'), failed('b', 'b')]);
  book.expect({ upserts: [name('wiki', { id: 'b', probe: 'b' })], removes: [] });
  assert.deepEqual([book.unreachable, [...book.results.keys()]], [['b'], ['b']]);
  book.expect({ upserts: [], removes: ['name/wiki'] });
  assert.deepEqual([book.unreachable, [...book.results.keys()]], [[], []]);
});

test('a resource that was unreachable stays so until a probe of it has a result', () => {
  const book = new ProbeBook();
  const second = { ...probe, key: 'probe/q', id: 'q' } as const;
  book.expectOnly([probe, second, name('wiki', { id: 'wiki', probe: 'w' })]);
  book.assume(['mixed', 'wiki', 'gone']);
  assert.deepEqual(book.unreachable, ['mixed', 'wiki']);
  book.record([failed('p', 'mixed')]);
  assert.deepEqual(book.unreachable, ['wiki'], 'its other probe is pending');
  book.record([{ ...failed('w', 'wiki'), reachable: true }]);
  assert.deepEqual(book.unreachable, []);
  book.expectOnly([{ ...second, id: 'r', key: 'probe/r' }]);
  assert.deepEqual(book.unreachable, [], 'it has had a result');
});
