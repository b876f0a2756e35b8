import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineAt } from './scan.ts';
import { assertNone, isTestCode, readSources, type SourceFile } from './workspace.ts';

/** Code in which every exported name needs a doc comment. */
const WHOLE =
  /^(packages\/(ip|contract|policy|wireguard|hostnet|agent-core|agent-runtime|program)|apps\/(controller|gateway|client|cli))\/src\//;

/** Test helpers with the same rule. All other test code is exempt. */
const HELPERS = /^(packages\/(testkit\/src|agent-core\/src\/testing)|apps\/cli\/src\/testing)\/(?!.*\.test\.ts$)/;

const sources = readSources();

test('every public export has a doc comment', () => {
  const whole = sources.filter(({ path }) => (WHOLE.test(path) && !isTestCode(path)) || HELPERS.test(path));
  assert.ok(whole.length > 200, 'the packages were read');
  const missing = whole.flatMap((file) => undocumented(file));
  assertNone(missing.map((place) => `${place} has no doc comment: say in a sentence what it is or does`));
});

test('a missing comment is found, and the type of a documented schema needs none', () => {
  const file = (source: string) => ({ path: 'x.ts', source, code: source, imports: [], owner: undefined });
  assert.deepEqual(undocumented(file('/** A. */\nexport const a = 1;\n// no doc\nexport function b() {}\n')), [
    'x.ts:4 b',
  ]);
  assert.deepEqual(undocumented(file('/** A. */\nexport const A = 1;\nexport type A = typeof A;\n')), []);
  assert.deepEqual(undocumented(file('/** A. */\nconst a = 1;\nexport interface B {}\n')), ['x.ts:3 B']);
});

/** Places of the exports of a file that have no doc comment. */
function undocumented({ path, source, code }: SourceFile): string[] {
  const declarations = [...code.matchAll(DECLARATION)].map((match) => ({
    name: match.groups?.name ?? '',
    at: match.index,
    kind: match.groups?.kind,
  }));
  const values = new Set(declarations.filter(({ kind }) => kind === 'const').map(({ name }) => name));
  return declarations
    .filter(({ name, kind }) => !(kind === 'type' && values.has(name)))
    .filter(({ at }) => !/\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*$/.test(source.slice(0, at)))
    .map(({ name, at }) => `${path}:${lineAt(source, at)} ${name}`);
}

const DECLARATION =
  /^export\s+(?:abstract\s+|async\s+)?(?<kind>const|let|function\*?|class|interface|type|enum)\s+(?<name>[\w$]+)/gm;
