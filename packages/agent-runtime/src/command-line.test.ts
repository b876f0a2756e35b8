import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choiceFlag, interfaceFlag, parseFlags, textFlag, UsageError } from './command-line.ts';

const options = { name: { type: 'string' }, json: { type: 'boolean' } } as const;
const complains = (text: string) => (error: unknown) => error instanceof UsageError && error.message.includes(text);

test('options are parsed, and an unknown one suggests a similar option', () => {
  const { values, positionals } = parseFlags('run', ['--name', 'a', '--json', 'b'], options, true);
  assert.deepEqual([{ ...values }, positionals], [{ name: 'a', json: true }, ['b']]);
  assert.throws(() => parseFlags('run', ['--nmae', 'a'], options), complains('run: Unknown option'));
  assert.throws(() => parseFlags('run', ['--nmae', 'a'], options), complains('--name'));
  assert.throws(() => parseFlags('run', ['b'], options), UsageError);
});

test('a value is a text or one of the choices, or rejected by name', () => {
  assert.equal(textFlag({}, 'name'), null);
  assert.equal(textFlag({ name: 'a' }, 'name'), 'a');
  assert.throws(() => textFlag({ name: '' }, 'name'), complains('--name: the value is empty'));
  assert.equal(choiceFlag({}, 'kind', ['a', 'b']), null);
  assert.equal(choiceFlag({ kind: 'b' }, 'kind', ['a', 'b']), 'b');
  assert.throws(() => choiceFlag({ kind: 'c' }, 'kind', ['a', 'b']), complains('--kind: "c" is not one of a, b'));
});

test('the name of an interface is valid on Linux and not an option of a tool', () => {
  assert.equal(interfaceFlag({}), null);
  assert.equal(interfaceFlag({ interface: 'sp0.1_a-b' }), 'sp0.1_a-b');
  for (const name of ['-rf', '0a', 'a/b', 'a b', 'a'.repeat(16)])
    assert.throws(() => interfaceFlag({ interface: name }), complains('no interface name'), name);
});
