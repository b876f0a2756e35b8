import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findImports, maskText } from './scan.ts';

/** § stands for the dollar sign of a template, which the linter takes for a mistake in a plain string. */
const text = (written: string) => written.replaceAll('§', '$');

const specifiers = (source: string) => findImports(source).map(({ specifier }) => specifier);
const types = (source: string) => findImports(source).map(({ typeOnly }) => typeOnly);

test('finds every form of import', () => {
  const source = `import a from 'm1';
import * as b from "m2";
import { c, type D } from 'm3';
import e, {
  f as g,
} from 'm4';
import 'm5';
import{h}from'm6';
export * from 'm7';
export * as i from 'm8';
export { j } from 'm9';
const k = await import('m10');
import type { L } from 'm11';
const m = import.meta.resolve('m12');`;
  assert.deepEqual(
    specifiers(source),
    Array.from({ length: 12 }, (_, index) => `m${index + 1}`),
  );
  assert.deepEqual(
    findImports(source).map(({ line }) => line),
    [1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14],
  );
});

test('only whole type imports are erased', () => {
  assert.deepEqual(types("import type { A } from 'x';\nimport type B from 'x';\nimport type * as C from 'x';"), [
    true,
    true,
    true,
  ]);
  assert.deepEqual(types("export type { A } from 'x';\nexport type * from 'x';"), [true, true]);
  assert.deepEqual(types("import { type A } from 'x';\nimport { types } from 'x';\nimport typed from 'x';"), [
    false,
    false,
    false,
  ]);
});

test('what stands in comments, strings and templates is no import', () => {
  assert.deepEqual(
    specifiers("// import 'a';\n/* import 'b'; */\nconst s = \"import 'c'\";\nconst t = `import 'd'`;"),
    [],
  );
  assert.deepEqual(specifiers("const from = { import: 'x' };\nexport const y = 'z';\nobject.import('w');"), []);
});

test('code after awkward text is still seen', () => {
  const awkward = [
    'const r = /[\'"]/;',
    String.raw`const r = /[/'"]\//g.test(s) ? 1 : 2;`,
    'const t = `it\'s §{{ a: `"§{1}` }.a} \\` done`;',
    String.raw`const s = 'it\'s';`,
    "const half = total / 2; // it's",
    'const q = (a + b) / c; const d = list[0] / 2;',
    "/** it's */",
    'if (x) return /"/.test(y);',
  ];
  for (const line of awkward) assert.deepEqual(specifiers(`${text(line)}\nimport 'seen';`), ['seen'], line);
});

test('masking keeps offsets, and the code inside templates', () => {
  const source = text('const a = `x §{call(\'y\')} z`; // end\ncall(/re/, "s");');
  const masked = maskText(source);
  assert.equal(masked.length, source.length);
  assert.equal(masked, text('const a = `  §{call(\' \')}  `;       \ncall(/  /, " ");'));
});
