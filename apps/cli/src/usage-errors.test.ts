import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startApi } from './testing/api-server.ts';
import { leafCommands } from './testing/leaves.ts';
import { sally } from './testing/run.ts';

/** What was typed, and what may have been meant, of every kind of name. */
const MISTYPED: readonly (readonly [args: readonly string[], meant: string])[] = [
  [['gatways', 'list'], 'gateways'],
  [['gateway', 'lst'], 'list'],
  [['users', 'roles', 'ad', 'x', 'y'], 'add'],
  [['gateways', 'create', 'x', '--prot', '5'], '--port'],
  [['devices', 'list', '--jsno'], '--json'],
  [['resources', 'create', 'x', '--type', 'prvate'], 'PRIVATE'],
  [['gateways', 'get', 'berln'], 'berlin'],
  [['devices', 'get', 'nana'], 'anna'],
  [['users', 'get', 'ana@example.com'], 'anna@example.com'],
  [['resources', 'get', 'intranett'], 'intranet'],
  [['protocols', 'get', 'HTPS'], 'HTTPS'],
  [['policies', 'get', 'stafff'], 'staff'],
  [['completion', 'zhs'], 'zsh'],
];

test('commands, options, words and names get suggestions', async (t) => {
  const api = await startApi(t);
  for (const [args, meant] of MISTYPED) {
    const { err, code } = await sally(api, args);
    assert.ok(code === 2 || code === 3, args.join(' '));
    assert.match(err, new RegExp(`\\nHint: Did you mean (.* or )?${meant}( or .*)?\\?`), args.join(' '));
  }
});

test('with --json wrong usage prints one JSON object on standard error', async (t) => {
  const api = await startApi(t);
  const lines = [
    ['gatways', '--json'],
    ['--json', 'gateways', 'get'],
    ['gateways', 'list', 'extra', '--json'],
    ['gateways', 'list', '--bogus', '--json'],
    ['gateways', 'create', 'x', '--port', '--json'],
    ['apply', '--json'],
    ['resources', 'create', 'x', '--type', 'wrong', '--json'],
    ['access', 'explain', 'anna', '--json'],
  ];
  for (const args of lines) {
    const { code, out, err } = await sally(api, args);
    assert.deepEqual([code, out], [2, ''], args.join(' '));
    const { code: word, title, exitCode } = JSON.parse(err);
    assert.deepEqual([word, exitCode], ['usage', 2], args.join(' '));
    assert.match(title, /^[A-Z-]/, 'a sentence');
  }
});

test('every command refuses an unknown option in the same words', async () => {
  const elsewhere =
    /^(up|down|ping|dns|netcheck|doctor|uninstall|gateways (run|status|down)|controller run|operator (backup|restore|copy-database|rotate-.*|replicas))$/;
  for (const command of (await leafCommands()).filter((name) => !elsewhere.test(name))) {
    const needed = command === 'apply' ? ['-f', 'x'] : [];
    const { code, err } = await sally(undefined, [...command.split(' '), ...needed, '--zzzzzzzz']);
    assert.equal(code, 2, command);
    assert.equal(err, `sally: Unknown option '--zzzzzzzz'\nHint: See: sally ${command} --help\n`);
  }
});
