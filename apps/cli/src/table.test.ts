import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { details, status, table } from './table.ts';
import { clean, displayWidth, shellWord } from './text.ts';

const columns = [
  { heading: 'NAME', cell: (row: readonly [string, string]) => row[0] },
  { heading: 'STATUS', cell: (row: readonly [string, string]) => status(row[1]) },
];

test('columns are aligned and lines have no blanks at the end', () => {
  assert.equal(
    table(
      columns,
      [
        ['berlin', 'ONLINE'],
        ['a', 'ERROR'],
      ],
      false,
    ),
    'NAME    STATUS\nberlin  ONLINE\na       ERROR\n',
  );
});

test('wide and combining characters keep the columns aligned', () => {
  assert.equal(
    table(
      columns,
      [
        ['東京', 'x'],
        ['Zu\u0308rich', 'y'],
      ],
      false,
    ),
    'NAME    STATUS\n東京    x\nZu\u0308rich  y\n',
  );
});

test('colour does not change the columns', () => {
  const coloured = table(
    columns,
    [
      ['berlin', 'ONLINE'],
      ['a', 'ERROR'],
    ],
    true,
  );
  assert.match(coloured, /\u001b\[32mONLINE\u001b\[39m/);
  const plain = coloured.replace(/\u001b\[[0-9]+m/g, '');
  assert.equal(
    plain,
    table(
      columns,
      [
        ['berlin', 'ONLINE'],
        ['a', 'ERROR'],
      ],
      false,
    ),
  );
});

test('a name cannot control the terminal', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const [, line = ''] = table(columns, [[name, 'x']], false).split('\n');
      assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    }),
  );
  assert.equal(table(columns, [['a\u001b[2J\nb', 'x']], false).split('\n').length, 3);
});

test('details omit fields without a value', () => {
  assert.equal(
    details(
      [
        ['Name', 'a'],
        ['Error', undefined],
        ['Public key', 'k'],
      ],
      false,
    ),
    'Name        a\nPublic key  k\n',
  );
  assert.equal(details([], false), '');
});

test('displayWidth counts terminal columns', () => {
  assert.deepEqual(['', 'abc', 'é', 'e\u0301', '界', '👩‍🚀'].map(displayWidth), [0, 3, 1, 1, 2, 2]);
});

test('shellWord quotes words for the shell', () => {
  assert.deepEqual(['berlin', "it's me", '$(rm)', ''].map(shellWord), ['berlin', `'it'\\''s me'`, `'$(rm)'`, `''`]);
  assert.equal(clean('a\u009bb'), 'a b');
});
