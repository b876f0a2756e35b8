import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startController } from './real-tenant.ts';

/** A command line with a wrong value, and the expected line of the error. */
const WRONG: readonly (readonly [args: readonly string[], line: RegExp])[] = [
  [['gateways', 'create', ''], /^ {2}<name> "": must not be empty$/m],
  [['gateways', 'create', 'x'.repeat(121)], /^ {2}<name>: must have at most 120 characters$/m],
  [['gateways', 'create', 'x', '--port', '65536'], /^ {2}--port 65536: must be a port number, 1 to 65535$/m],
  [['gateways', 'create', 'x', '--endpoint', '10.0.0'], /^ {2}--endpoint 10\.0\.0: must be a host name or IP address/m],
  [['gateways', 'create', 'x', '--relay-ports', '9'], /^ {2}--relay-ports 9: must be a range of UDP ports/m],
  [['resources', 'create', 'x', '--address', '10.0.0.300', '--protocol', 'HTTPS'], /^ {2}--address 10\.0\.0\.300: /m],
  [['protocols', 'create', 'x', '--tcp', '0'], /^ {2}--tcp.*: must be a port "443" or a range "5000-5100"$/m],
  [['settings', 'set', '--time-zone', 'Zurich'], /^ {2}--time-zone Zurich: must be a time zone of the IANA database/m],
  [['settings', 'set', '--lease', '3s'], /^ {2}--lease 3s: must be at least 300$/m],
  [['settings', 'set', '--audit-retention', '0'], /^ {2}--audit-retention 0: must be at least 1$/m],
  [['users', 'invite', 'anna'], /^ {2}<emails> anna: must be an e-mail address$/m],
  [['devices', 'add', 'x', '--public-key', 'short'], /^ {2}--public-key short: /m],
  [['audit', 'list', '--limit', 'many'], /^ {2}--limit many: must be a number$/m],
  [['devices', 'list', '--limit', '0'], /^ {2}--limit 0: must be at least 1$/m],
];

test('an error quotes the refused value as typed, in a plain sentence', async (t) => {
  const { first } = await startController(t);
  for (const [args, line] of WRONG) {
    const { code, err } = await first.run(args);
    assert.equal(code, 2, `${args.join(' ')}: ${err}`);
    assert.match(err, line, args.join(' '));
    assert.doesNotMatch(err, /Invalid|Too (small|big)|expected|^ {2}\//m, args.join(' '));
  }
});

test('the public address is the configured one, and is omitted without configuration', async (t) => {
  const far = await startController(t, ['--public-url', 'https://vpn.example.com']);
  assert.match((await far.first.run(['gateways', 'create', 'x'])).err, /--controller https:\/\/vpn\.example\.com /);
  assert.match(await far.first.ok('settings', 'get'), /Public URL +https:\/\/vpn\.example\.com\n/);
  const near = await startController(t);
  assert.match(await near.first.ok('settings', 'get'), /Public URL +not set/);
});

test('a resource with only names is not online', async (t) => {
  const { first } = await startController(t);
  await first.ok('gateways', 'create', 'berlin');
  await first.ok(
    'resources',
    'create',
    'wiki',
    '--address',
    'wiki.example.com',
    '--protocol',
    'HTTPS',
    '--gateway',
    'berlin',
    '--type',
    'SAAS',
  );
  assert.match(await first.ok('resources', 'list'), /wiki +SAAS +NOT ENFORCED: names only/);
});
