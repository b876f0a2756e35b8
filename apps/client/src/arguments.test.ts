import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientStateDir } from '@sallyport/contract/local';
import { defaultStateDir, parseCommand } from './arguments.ts';

const refused = (...args: string[]) => {
  try {
    parseCommand(args);
  } catch (error) {
    return (error as Error).message;
  }
  return assert.fail(`taken: ${args.join(' ')}`);
};

test('omitted options keep their stored values', () => {
  assert.deepEqual(parseCommand(['up']), {
    kind: 'up',
    stateDir: '/var/lib/sallyport/client',
    json: false,
    controller: null,
    insecure: null,
    caFile: null,
    interface: null,
    wireguard: null,
    dns: null,
    keyFile: null,
    logLevel: 'info',
    foreground: false,
    timeoutMs: 15_000,
  });
  assert.equal(defaultStateDir, clientStateDir, 'the contract says the same');
});

test('the arguments name the place of the key, never the key', () => {
  const from = (...args: string[]) => {
    const command = parseCommand(['up', ...args]);
    return command.kind === 'up' ? command.keyFile : undefined;
  };
  assert.equal(from('--enrolment-key-stdin'), '-');
  assert.equal(from('--enrolment-key-file', '-'), '-');
  assert.equal(from('--enrolment-key-file', 'k'), 'k');
  assert.match(refused('up', '--enrolment-key-stdin', '--enrolment-key-file', 'k'), /only one of/);
  assert.match(refused('up', '--enrolment-key', 'sdk_x'), /Unknown option '--enrolment-key'/);
});

test('ping takes one target, a count and a timeout', () => {
  assert.deepEqual(parseCommand(['ping', 'wiki', '-c', '2', '-W', '0.5', '--json']), {
    kind: 'ping',
    stateDir: defaultStateDir,
    json: true,
    target: 'wiki',
    count: 2,
    timeoutMs: 500,
  });
  assert.match(refused('ping'), /name a resource/);
  assert.match(refused('ping', 'a', 'b'), /give one target/);
  assert.match(refused('ping', 'a', '-c', '0'), /number from 1/);
  assert.match(refused('ping', 'a', '-W', 'x'), /seconds/);
});

test('dns takes one name', () => {
  const command = { kind: 'dns', stateDir: defaultStateDir, name: 'wiki.corp.example', json: true };
  assert.deepEqual(parseCommand(['dns', 'wiki.corp.example', '--json']), command);
  assert.match(refused('dns'), /name a host/);
  assert.match(refused('dns', 'a', 'b'), /give one name/);
  assert.match(refused('dns', 'a'.repeat(254)), /longer than 253/);
});

test('wrong usage names the argument', () => {
  assert.match(refused('up', '--dns', 'magic'), /not one of auto, resolved, networkmanager, resolv\.conf, off/);
  assert.match(refused('up', '--interface', '1x'), /--interface/);
  assert.match(refused('up', '--interface', 'x'.repeat(16)), /--interface/);
  assert.match(refused('up', '--wireguard', 'magic'), /not one of auto, kernel, userspace/);
  assert.match(refused('up', '--controller', ''), /--controller: the value is empty/);
  assert.match(refused('down', 'x'), /down: /);
  assert.match(refused('fly'), /unknown command "fly"/);
});

test('the help names every option of a command', () => {
  for (const name of ['up', 'down', 'ping', 'dns', 'netcheck', 'run']) {
    const command = parseCommand([name, '--help']);
    assert.ok(command.kind === 'help');
    assert.match(command.text, /--state-dir/);
  }
});
