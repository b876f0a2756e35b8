import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineAt } from './scan.ts';
import { assertNone, isTestCode, readSources, readText, type SourceFile } from './workspace.ts';

/** Packages of which every exported name has a doc comment. */
const WHOLE = /^packages\/(ip|contract|policy|wireguard|agent-core|agent-runtime|signals)\/src\//;
/** Packages of which only what `index.ts` exports has one. */
const SURFACE = ['packages/hostnet/src/'];

const sources = readSources().filter(({ path }) => !isTestCode(path));

test('every public export has a doc comment', () => {
  const whole = sources.filter(({ path }) => WHOLE.test(path)).flatMap((file) => undocumented(file));
  const surface = SURFACE.flatMap((folder) =>
    [...surfaceOf(folder)].flatMap(([path, names]) =>
      sources.filter((file) => file.path === path).flatMap((file) => undocumented(file, names)),
    ),
  );
  assert.ok(surfaceOf('packages/hostnet/src/').size > 5, 'the index was read');
  assertNone(
    [...whole, ...surface].map((place) => `${place} has no doc comment: say in a sentence what it is or does`),
  );
});

test('a missing comment is found, and the type of a documented schema needs none', () => {
  const file = (source: string) => ({ path: 'x.ts', source, code: source, imports: [], owner: undefined });
  assert.deepEqual(undocumented(file('/** A. */\nexport const a = 1;\n// no doc\nexport function b() {}\n')), [
    'x.ts:4 b',
  ]);
  assert.deepEqual(undocumented(file('/** A. */\nexport const A = 1;\nexport type A = typeof A;\n')), []);
  assert.deepEqual(undocumented(file('/** A. */\nconst a = 1;\nexport interface B {}\n')), ['x.ts:3 B']);
});

/** Places of the exports of a file that have no doc comment; only `names`, if given. */
function undocumented({ path, source, code }: SourceFile, names?: ReadonlySet<string>): string[] {
  const declarations = [...code.matchAll(DECLARATION)].map((match) => ({
    name: match.groups?.name ?? '',
    at: match.index,
    kind: match.groups?.kind,
  }));
  const values = new Set(declarations.filter(({ kind }) => kind === 'const').map(({ name }) => name));
  return declarations
    .filter(({ name, kind }) => !(kind === 'type' && values.has(name)))
    .filter(({ name }) => names === undefined || names.has(name) || names.has('*'))
    .filter(({ at }) => !/\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*$/.test(source.slice(0, at)))
    .map(({ name, at }) => `${path}:${lineAt(source, at)} ${name}`);
}

const DECLARATION =
  /^export\s+(?:abstract\s+|async\s+)?(?<kind>const|let|function\*?|class|interface|type|enum)\s+(?<name>[\w$]+)/gm;

/** Names that the index of a package re-exports, by file; `*` stands for all. */
function surfaceOf(folder: string): Map<string, Set<string>> {
  const surface = new Map<string, Set<string>>();
  for (const [, all, list = '', from] of readText(`${folder}index.ts`).matchAll(REEXPORT)) {
    const names = surface.get(`${folder}${from}`) ?? new Set<string>();
    for (const name of all === undefined ? list.split(',') : ['*']) names.add(name.replace(/^\s*type\s|\s/g, ''));
    surface.set(`${folder}${from}`, names);
  }
  return surface;
}

const REEXPORT = /^export\s+(?:type\s+)?(?:(\*)|\{([^}]*)\})\s*from\s*'\.\/([^']+)'/gm;
