import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../apps/console/src', import.meta.url));

/** Lines of the console that can hold a text for people: no comments, no imports. */
const lines = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name) && !/\.test\./.test(name))
  .flatMap((name) =>
    readFileSync(join(folder, name), 'utf8')
      .split('\n')
      .map((text, i) => ({ where: `${name}:${i + 1}`, text }))
      .filter(({ text }) => !/^\s*(\/?\*|\/\/|\{\/\*|import )/.test(text)),
  );

const refused: readonly (readonly [why: string, form: RegExp])[] = [
  ['texts say what is so, without please or sorry', /\b(please|sorry|oops|whoops|successfully|unfortunately)\b/i],
  ['a failure says what, why and what to do', /something went wrong|unknown error|an error occurred/i],
  ['texts have no exclamation marks', /[A-Za-z]!(?=<\/|'|"|`|\s*$)/],
];

for (const [why, form] of refused)
  test(`words of the console: ${why}`, () => {
    assert.ok(lines.length > 3000, 'the sources were read');
    assert.deepEqual(
      lines.filter(({ text }) => form.test(text)).map(({ where, text }) => `${where}: ${text.trim()}`),
      [],
    );
  });
