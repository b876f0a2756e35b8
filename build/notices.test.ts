import assert from 'node:assert/strict';
import { test } from 'node:test';
import { billOfMaterials, noticesText, readLibraries } from './notices.ts';

test('notices and bill of materials name each library with its licence and hash', () => {
  const libraries = readLibraries(['node_modules/zod', 'node_modules/fastify', 'node_modules/zod']);
  assert.deepEqual(
    libraries.map(({ name, licence }) => [name, licence]),
    [
      ['fastify', 'MIT'],
      ['zod', 'MIT'],
    ],
  );
  assert.match(noticesText(libraries), /^zod \d[\d.]* \(MIT\)$/m);
  assert.match(noticesText(libraries), /Permission is hereby granted/);
  const { components } = billOfMaterials(libraries, '24.0.0') as { components: { name: string; hashes?: object[] }[] };
  assert.deepEqual(
    components.map(({ name }) => name),
    ['node', 'fastify', 'zod'],
  );
  assert.match(JSON.stringify(components[2]?.hashes), /^\[\{"alg":"SHA-512","content":"[0-9a-f]{128}"\}\]$/);
});
