import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { channelUrl, UsageError } from '@sallyport/agent-runtime';
import { parseCommand } from './arguments.ts';

const run = ['run', '--controller', 'https://c.example'];

describe('command line', () => {
  it('has defaults', () => {
    assert.deepEqual(parseCommand(run), {
      kind: 'run',
      stateDir: '/var/lib/sallyport/gateway',
      interface: 'sallyport0',
      url: 'wss://c.example/agent/channel',
      tokenFile: null,
      caFile: null,
      wireguard: 'auto',
      wireguardGo: null,
      downOnExit: false,
      allowUpgrades: null,
      releaseKey: null,
      logLevel: 'info',
    });
    assert.deepEqual(parseCommand([]), { kind: 'help' });
    assert.deepEqual(parseCommand(['down', '--help']), { kind: 'help' });
    assert.deepEqual(parseCommand(['--version']), { kind: 'version' });
  });

  const wrong: [string[], RegExp][] = [
    [['start'], /"start".*run, down or status/],
    [['run'], /--controller URL is missing/],
    [[...run, '--tokenfile', 'x'], /--tokenfile/],
    [[...run, 'extra'], /extra/],
    [[...run, '--token-file', ''], /--token-file: the value is empty/],
    [[...run, '--token-file'], /--token-file/],
    [[...run, '--wireguard', 'fast'], /--wireguard: "fast".*auto, kernel, userspace/],
    [[...run, '--log-level', 'loud'], /--log-level: "loud"/],
    [[...run, '--interface', 'a name'], /--interface: "a name"/],
    [[...run, '--interface', 'sixteen-letters-'], /--interface/],
    [[...run, '--insecure=yes'], /--insecure/],
    [['down', '--controller', 'x'], /--controller/],
    [['status', '--state-dir'], /--state-dir/],
  ];
  for (const [args, message] of wrong) {
    it(`refuses ${args.join(' ')}`, () => {
      assert.throws(
        () => parseCommand(args),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    });
  }
});

describe('address of the controller', () => {
  const good: [string, string][] = [
    ['https://c.example/', 'wss://c.example/agent/channel'],
    ['wss://c.example:8443', 'wss://c.example:8443/agent/channel'],
    ['c.example', 'wss://c.example/agent/channel'],
    ['http://127.0.0.1:8080', 'ws://127.0.0.1:8080/agent/channel'],
    ['http://[::1]:8080', 'ws://[::1]:8080/agent/channel'],
    ['ws://localhost:8080/agent/channel', 'ws://localhost:8080/agent/channel'],
    ['https://c.example/behind/a/proxy/', 'wss://c.example/behind/a/proxy/agent/channel'],
  ];
  for (const [given, url] of good) it(`takes ${given}`, () => assert.equal(channelUrl(given, false), url));

  for (const given of ['http://c.example', 'ws://10.0.0.1', 'http://127.0.0.1.example', 'http://localhost.example']) {
    it(`speaks to ${given} only with --insecure`, () => {
      assert.throws(() => channelUrl(given, false), /--insecure/);
      assert.match(channelUrl(given, true), /^ws:/);
    });
  }
  for (const given of ['ftp://c.example', 'https://', 'https://u:p@c.example', 'https://c.example/?x=1']) {
    it(`refuses ${given}`, () => assert.throws(() => channelUrl(given, true), UsageError));
  }
  it('does not repeat a password', () => {
    assert.throws(
      () => channelUrl('https://u:hunter2@c.example', false),
      (error: Error) => !error.message.includes('hunter2'),
    );
  });
});
