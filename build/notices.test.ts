import assert from 'node:assert/strict';
import { test } from 'node:test';
import { billOfMaterials, noticesText, readLibraries } from './notices.ts';

const node = { version: '24.0.0', licence: 'Licence of Node.js' };

test('notices and bill of materials name each library with its licence and hash', () => {
  const libraries = readLibraries(['node_modules/zod', 'node_modules/fastify', 'node_modules/zod']);
  assert.deepEqual(
    libraries.map(({ name, licence }) => [name, licence]),
    [
      ['fastify', 'MIT'],
      ['zod', 'MIT'],
    ],
  );
  assert.match(noticesText(libraries, node, null), /^zod \d[\d.]* \(MIT\)$/m);
  assert.match(noticesText(libraries, node, null), /Permission is hereby granted/);
  const { components } = billOfMaterials(libraries, node, null) as {
    components: { name: string; hashes?: object[] }[];
  };
  assert.deepEqual(
    components.map(({ name }) => name),
    ['node', 'fastify', 'zod'],
  );
  assert.match(JSON.stringify(components[2]?.hashes), /^\[\{"alg":"SHA-512","content":"[0-9a-f]{128}"\}\]$/);
});

test('wireguard-go comes with its licence, and with Go and the libraries in it', () => {
  const builtUsing = [{ name: 'golang-1.24', version: '1.24.4-1' }];
  const tunnel = { version: '0.0.20231211-1+b9', licence: 'Licence of wireguard-go', builtUsing };
  const text = noticesText([], node, tunnel);
  assert.match(
    text,
    /wireguard-go 0\.0\.20231211-1\+b9, Debian's build with golang-1\.24 1\.24\.4-1\n\nLicence of wireguard-go/,
  );
  assert.match(text, /The Go Authors[\s\S]+Node\.js 24\.0\.0\n\nLicence of Node\.js/);
  const { components } = billOfMaterials([], node, tunnel) as { components: { purl: string }[] };
  assert.deepEqual(
    components.map(({ purl }) => purl),
    [
      'pkg:generic/node@24.0.0',
      'pkg:deb/debian/wireguard-go@0.0.20231211-1%2Bb9',
      'pkg:deb/debian/golang-1.24@1.24.4-1',
    ],
  );
});
