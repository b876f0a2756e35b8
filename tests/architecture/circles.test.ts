import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importCircles, importGraph } from './graph.ts';
import { assertNone, readPackages, readSources } from './workspace.ts';

const WHY = 'a file stands above all that it imports, types too, so that it can be read and tested without the others';
const graph = importGraph(readSources(), readPackages());

test('no files import each other in a circle', () => {
  assertNone(importCircles(graph).map((circle) => `circle of imports: ${circle.join(', ')}. ${WHY}`));
});

test('circles are found whatever their length', () => {
  const files = (edges: Record<string, string[]>) =>
    new Map(Object.entries(edges).map(([file, targets]) => [file, new Set(targets)]));
  assert.deepEqual(importCircles(files({ a: ['b', 'c'], b: ['d'], c: ['d'], d: [] })), []);
  const two = files({ a: ['b'], b: ['a', 'c'], c: ['d'], d: ['e'], e: ['c'], f: ['a'] });
  assert.deepEqual(importCircles(two), [
    ['a', 'b'],
    ['c', 'd', 'e'],
  ]);
});

test('imports by package name are followed', () => {
  const file = graph.get('apps/controller/src/http/operations.ts');
  assert.ok(file?.has('packages/contract/src/index.ts') && file.has('apps/controller/src/errors.ts'));
});
