import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clean, cleanLines, jsonLine, safeJson } from './text.ts';

const DECEPTIVE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('a', '\u202e', '\ud800', '\u{e0041}') }),
);

test('cleaned text is one line without a deceptive character', () => {
  fc.assert(fc.property(anyText, (text) => assert.doesNotMatch(clean(text), DECEPTIVE)));
  assert.equal(clean('Zürich 東京 😀'), 'Zürich 東京 😀');
  assert.equal(clean('pay\u200broll\u202e\n'), 'pay roll  ');
});

test('cleaned lines keep line ends, and keep colours only on request', () => {
  assert.equal(cleanLines('a\u001b[31mb\u001b[2J\nc\r'), 'a [31mb [2J\nc ');
  assert.equal(cleanLines('a\u001b[31mb\u001b[2J\nc\r', { colour: true }), 'a\u001b[31mb [2J\nc ');
});

test('safe JSON has the same value and no deceptive character', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const line = jsonLine({ [text]: [text] });
      assert.deepEqual(JSON.parse(line), { [text]: [text] });
      assert.doesNotMatch(line.trimEnd(), DECEPTIVE);
    }),
  );
  assert.equal(safeJson('{\n\t"a": "\u2028"\r\n}'), '{\n\t"a": "\\u2028"\r\n}');
});
