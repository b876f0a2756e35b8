import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { sectionYaml } from './yaml.ts';

const texts = [
  'plain',
  'two words',
  '',
  ' leading',
  'trailing ',
  'a: b',
  'a:',
  'a #b',
  '#b',
  '- x',
  '-',
  '-x',
  '? x',
  '?x',
  ': x',
  ':x',
  '*a',
  '&a',
  '!a',
  '|',
  '>',
  '%a',
  '@a',
  '`a',
  '"a"',
  "'a'",
  '{a}',
  '[a]',
  'a,b',
  'a, b',
  'true',
  'No',
  'null',
  '~',
  '1',
  '1.0',
  '.5',
  '1e3',
  '0x1F',
  '0o7',
  '+1',
  '-1',
  '.inf',
  '-.INF',
  '.nan',
  '1_000',
  '2026-11-01',
  '12:30',
  '---',
  '...',
  'a\nb',
  'a\nb\n',
  'a\n\nb\n\n',
  '  a\nb',
  'a\tb',
  '\u202eevil',
  'a\u200bb',
  'مكتب دبي',
  '🏭 plant',
  'a\\b',
  'a"b',
  '=',
  '<<',
];

test('every text comes back from the YAML that is shown', () => {
  for (const text of texts) {
    const yaml = sectionYaml('gateways', { name: text, list: [text], deep: [{ of: text, none: [] }] });
    const expected = { version: 1, gateways: [{ name: text, list: [text], deep: [{ of: text, none: [] }] }] };
    assert.deepEqual(parse(yaml), expected, yaml);
  }
});

test('characters that reorder or hide text are escaped', () => {
  assert.match(sectionYaml('groups', { name: 'a\u202eb' }), /name: "a\\u202eb"/);
});

test('numbers, truth values and nothing keep their type', () => {
  const item = { port: 51820, relay: false, mtu: null, list: [1, true, null] };
  assert.deepEqual(parse(sectionYaml('gateways', item)), { version: 1, gateways: [item] });
});
