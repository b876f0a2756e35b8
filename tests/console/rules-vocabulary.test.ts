import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRule } from '@sallyport/policy';
import { examples, vocabulary } from '../../apps/console/src/rules/vocabulary.ts';
import { fields, helpers, plainFunctions } from '../../packages/policy/src/rules/environment.ts';

const words = vocabulary.flatMap(({ words: all }) => all);

test('the reference of the rules editor has every variable, field and function of rules', () => {
  const texts = words.map(({ text }) => text);
  const names = Object.entries(fields).flatMap(([variable, own]) => own.map((field) => `${variable}.${field}`));
  const missing = [...names, 'groups', 'posture'].filter((name) => !texts.includes(name));
  assert.deepEqual(missing, []);
  const functions = [...plainFunctions, ...Object.keys(helpers)];
  const unknown = functions.filter((name) => !texts.some((text) => new RegExp(`\\b${name}\\(`).test(text)));
  assert.deepEqual(unknown, []);
});

test('every word of the reference is valid in a rule, and has the type that the reference says', () => {
  for (const { text, type } of words) {
    const check = checkRule(text);
    const given = check.ok ? 'bool' : check.message;
    const wanted = type.replace('list of string', 'list<string>').replace('map', 'map<');
    assert.ok(type === 'bool' ? check.ok : given.includes(`this one gives ${wanted}`), `${text}: ${given}`);
  }
});

test('every example of the rules editor is a rule', () => {
  for (const { title, rule } of examples) assert.deepEqual(checkRule(rule), { ok: true }, title);
});
