import { test } from 'node:test';
import { assertNone, isTestCode, readSources } from './workspace.ts';

const LIMIT = 400;
/** A test file is a list; its length says little. */
const TEST_LIMIT = 600;

/** Longer files, and why they are better whole. */
const LONGER: Record<string, string> = {};

test('no file is long without a reason', () => {
  const lengths = new Map(readSources().map(({ path, source }) => [path, source.split('\n').length]));
  const long = [...lengths].filter(([path, lines]) => lines > (isTestCode(path) ? TEST_LIMIT : LIMIT));
  assertNone([
    ...long
      .filter(([path]) => !LONGER[path])
      .map(([path, lines]) => `${path} has ${lines} lines: split what does two things, or list it with a reason`),
    ...Object.keys(LONGER)
      .filter((path) => !long.some(([name]) => name === path))
      .map((path) => `${path} is listed as long in tests/architecture/file-length.test.ts, and is not`),
  ]);
});
