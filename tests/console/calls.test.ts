import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { operations } from '@sallyport/contract';

/*
 * The console names method and path beside the operation, so that its bundle does not carry the table of operations. This
 * test compares the two.
 */
const folder = fileURLToPath(new URL('../../apps/console/src', import.meta.url));
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name))
  .map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }));

/** Makes `/tenants/gateways/${id}?x=y` and `/tenants/gateways/{id}` the same. */
const shape = (path: string): string =>
  path
    .split('?')[0]
    // A query that is added at run time: `/sign-in/providers${query === '' ? …`.
    ?.replace(/\$\{[^}]*$/, '')
    .replaceAll(/\$\{[^}]*\}/g, '*')
    .replaceAll(/\{[^}]*\}/g, '*') ?? '';

test('every call of the console has the method and the path of its operation', () => {
  const called = /call<'(\w+)'>\(\s*'(\w+)',\s*['`]([^'`]+)['`]/g;
  const read = /(?:get<'(\w+)'>\(|useRead<'(\w+)'>\(\s*'[\w-]+',)\s*['`]([^'`]+)['`]/g;
  const calls = sources.flatMap(({ name, text }) => [
    ...[...text.matchAll(called)].map(([, operation = '', method, path = '']) => ({ name, operation, method, path })),
    ...[...text.matchAll(read)].map(([, a, b, path = '']) => ({ name, operation: a ?? b ?? '', method: 'GET', path })),
  ]);
  // Lists name the two in their definition.
  const listed = /operation: '(list\w+)',\s*path: '([^']+)'/g;
  const lists = sources.flatMap(({ name, text }) =>
    [...text.matchAll(listed)].map(([, operation = '', path = '']) => ({ name, operation, method: 'GET', path })),
  );
  assert.ok(lists.length > 4, `only ${lists.length} lists were found`);
  calls.push(...lists);
  assert.ok(calls.length > 40, `only ${calls.length} calls were found`);
  const known = operations as unknown as Record<string, { method: string; path: string } | undefined>;
  const wrong = calls.filter(({ operation, method, path }) => {
    const { method: right, path: at = '' } = known[operation] ?? {};
    // The last part may be chosen at run time, such as `reactivate`.
    return right !== method || !new RegExp(`^${shape(path).replaceAll('*', '[^/]+')}$`).test(shape(at));
  });
  assert.deepEqual(wrong, []);
});

test('every planned write of the console is an operation that can be tried', () => {
  const planned = /(direct: true,\s*)?method: '(\w+)',\s*path(?:: ['`]([^'`]+)['`])?,/g;
  const writes = sources.flatMap(({ name, text }) =>
    [...text.matchAll(planned)].map(([, direct, method, path = '/tenants/gateways/{id}']) => ({
      name,
      direct: direct !== undefined,
      method,
      path,
    })),
  );
  const deleted = /deletionOf\('\w+', [^,]+, `([^`]+)`\)/g;
  const deletions = sources.flatMap(({ name, text }) =>
    [...text.matchAll(deleted)].map(([, path = '']) => ({ name, direct: false, method: 'DELETE', path })),
  );
  assert.ok(deletions.length >= 8, `only ${deletions.length} deletions were found`);
  writes.push(...deletions);
  assert.ok(writes.length > 15, `only ${writes.length} were found`);
  const all = Object.values(operations as Record<string, { method: string; path: string; dryRun?: boolean }>);
  const has = (write: (typeof writes)[number]) =>
    all.some(
      ({ method, path, dryRun }) =>
        `${method} ${shape(path)}` === `${write.method} ${shape(write.path)}` && (write.direct || dryRun === true),
    );
  const wrong = writes.filter((write) => !has(write));
  assert.deepEqual(wrong, []);
});
