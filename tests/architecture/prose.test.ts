import assert from 'node:assert/strict';
import { existsSync, globSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { assertNone, readText, root } from './workspace.ts';

const MOST_COLUMNS = 120;
/** Files that documents name and that a command makes. */
const GENERATED = new Set(['bench/results/latest.json']);

/** CHANGELOG.md tells what was true at the time, so it may name files that are gone. */
const documents = globSync(['*.md', '{docs,examples}/**/*.md'], { cwd: root }).sort();

test('lines of documents wrap at 120 columns, but for tables, code and links', () => {
  assert.ok(documents.length > 20, 'the documents are found');
  assertNone(
    documents.flatMap((path) =>
      prose(readText(path))
        .filter(({ text }) => [...withoutLinks(text)].length > MOST_COLUMNS)
        .map(({ line }) => `${path}:${line} is longer than ${MOST_COLUMNS} columns`),
    ),
  );
});

test('every file that a document links to exists', () => {
  assertNone(
    documents.flatMap((path) =>
      [...readText(path).matchAll(/\]\(([^)#\s]+)(#[^)]*)?\)/g)]
        .map(([, target = '']) => target)
        .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(root, dirname(path), target)))
        .map((target) => `${path} links to ${target}, which does not exist`),
    ),
  );
});

test('every path of the repository that a document names exists', () => {
  const named = documents
    .filter((path) => path !== 'CHANGELOG.md')
    .flatMap((path) => pathsIn(readText(path)).map((target) => ({ path, target })));
  assert.ok(named.length > 100, 'documents name paths');
  assertNone(
    named
      .filter(({ target }) => !GENERATED.has(target) && globSync(target, { cwd: root }).length === 0)
      .map(({ path, target }) => `${path} names ${target}, which does not exist`),
  );
});

test('docs/README.md lists every document of its folder', () => {
  const index = readText('docs/README.md');
  assertNone(
    globSync('docs/*.md', { cwd: root })
      .map((path) => normalize(path).slice('docs/'.length))
      .filter((name) => name !== 'README.md' && !index.includes(`](${name})`))
      .map((name) => `docs/README.md needs a line for ${name}`),
  );
});

test('docs/decisions/README.md lists every decision', () => {
  const index = readText('docs/decisions/README.md');
  assertNone(
    globSync('docs/decisions/[0-9]*.md', { cwd: root })
      .map((path) => path.slice('docs/decisions/'.length))
      .filter((name) => !index.includes(`](${name})`))
      .map((name) => `docs/decisions/README.md needs a line for ${name}`),
  );
});

/** The lines that are neither in a table nor in a fenced block. */
function prose(markdown: string): { line: number; text: string }[] {
  let fenced = false;
  return markdown.split('\n').flatMap((text, index) => {
    if (/^\s*```/.test(text)) fenced = !fenced;
    return fenced || /^\s*\|/.test(text) ? [] : [{ line: index + 1, text }];
  });
}

/** A link counts as its text: its address cannot be broken. */
const withoutLinks = (text: string) => text.replace(/\]\([^)\s]+\)/g, ']');

/**
 * Paths in `code` that begin with a folder of the repository. In capitals or angle brackets stands what the reader fills
 * in: such paths are shapes, not files.
 */
function pathsIn(markdown: string): string[] {
  const code = [...markdown.matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text);
  return code
    .flatMap(
      (text) =>
        text.match(
          /(?<![\w./@-])(?:apps|packages|tests|scripts|bench|docs|examples|deploy|bin|\.ci|\.github)\/[\w./*{},<>-]*/g,
        ) ?? [],
    )
    .map((path) => path.replace(/[.,/]+$/, ''))
    .filter((path) => !/[A-Z]{3,}|[<>]/.test(path.replaceAll('README.md', '')));
}
