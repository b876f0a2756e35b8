import { test } from 'node:test';
import { UNSCOPED_QUERIES } from './unscoped-queries.ts';
import { assertNone, isTestCode, places, readSources, type SourceFile } from './workspace.ts';

const WHY = 'every query carries its tenant, so that no mistake can show one customer the data of another';
const QUERY =
  /^(selectFrom|selectNoFrom|insertInto|updateTable|deleteFrom|replaceInto|mergeInto|with|withRecursive|transaction|executeQuery|startTransaction|connection)$/;

/** The controller's code outside db/, where the raw handle must not be used. */
const files = readSources().filter(({ path }) => /^apps\/controller\/src\/(?!db\/)/.test(path) && !isTestCode(path));

test('every unscoped query is listed with its reason', () => {
  const found = files.flatMap((file) => unscopedCalls(file));
  const listed = new Set(UNSCOPED_QUERIES.map(({ file, reason }) => `${file}: ${reason}`));
  const used = new Set(found.map(({ file, reason }) => `${file}: ${reason}`));
  assertNone([
    ...found
      .filter(({ file, reason }) => !listed.has(`${file}: ${reason}`))
      .map(
        ({ place, file, reason }) =>
          `${place} is not scoped (${WHY}). If that is right, add to tests/architecture/unscoped-queries.ts:\n` +
          `  { file: '${file}', reason: ${JSON.stringify(reason)} },`,
      ),
    ...[...listed]
      .filter((entry) => !used.has(entry))
      .map((entry) => `tests/architecture/unscoped-queries.ts lists what is gone: ${entry}`),
  ]);
});

test('the raw database handle is only handed to scoped() and unscoped()', () => {
  const findings: string[] = [];
  for (const file of files) {
    for (const { place, text } of places(file, /(?:\b(?:un)?scoped\(\s*)?[\w$.#]*\.db\b(?:\s*\.\s*\w+)?/g)) {
      if (/^(un)?scoped\(/.test(text)) continue;
      findings.push(`${place} uses ${text} as it is: give it to scoped(db, tenant) or unscoped(db, reason). ${WHY}`);
    }
    for (const { place, text } of readCallbackQueries(file)) {
      findings.push(`${place} queries with ${text}, the handle that read() gives: use scoped() or unscoped(). ${WHY}`);
    }
  }
  assertNone(findings);
});

/** SQL by hand elsewhere, and why. */
const SQL_BY_HAND: Record<string, string> = {
  'apps/controller/src/http/health.ts': 'asks whether the database answers; touches no table',
};

test('Kysely itself is only imported by the database layer', () => {
  assertNone(
    files.flatMap((file) =>
      file.imports
        .filter(({ specifier, typeOnly }) => specifier === 'kysely' && !typeOnly && !SQL_BY_HAND[file.path])
        .map(
          ({ line, clause }) =>
            `${file.path}:${line} imports ${clause} from kysely: SQL by hand and handles belong into src/db`,
        ),
    ),
  );
});

/** The reason is the second argument, a literal, so that a reviewer reads it where the query stands. */
function unscopedCalls(file: SourceFile): { place: string; file: string; reason: string }[] {
  return [...file.code.matchAll(/(?<![\w$.])unscoped\(/g)].map((match) => {
    const call = file.source.slice(match.index);
    const place = `${file.path}:${file.source.slice(0, match.index).split('\n').length}`;
    const reason = /^unscoped\(\s*[\w$.#]+,\s*(?:'((?:[^'\\]|\\.)*)'|"([^"\\]*)")/.exec(call);
    return {
      place,
      file: file.path,
      reason: (reason?.[1] ?? reason?.[2])?.replaceAll("\\'", "'") ?? '(no literal reason)',
    };
  });
}

function readCallbackQueries(file: SourceFile): { place: string; text: string }[] {
  const names = [...file.code.matchAll(/\.read(?:<[^>]*>)?\(\s*(?:async\s*)?\(?\s*(\w+)\s*\)?\s*=>/g)].map(
    (match) => match[1],
  );
  return [...new Set(names)].flatMap((name) =>
    places(file, new RegExp(`(?<![\\w$.])${name}\\s*\\.\\s*\\w+`, 'g')).filter(({ text }) =>
      QUERY.test(text.split('.')[1]?.trim() ?? ''),
    ),
  );
}
