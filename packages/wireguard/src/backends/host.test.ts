import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandFailure, tryCommand } from './command.ts';
import { parseLink } from './link.ts';
import { systemdArguments } from './wireguard-go.ts';

test('the systemd unit is separate from the agent and in its network namespace', () => {
  assert.deepEqual(systemdArguments('wg0', null), [
    '--quiet',
    '--collect',
    '--unit=sallyport-wireguard-wg0.service',
    '--description=WireGuard in user space on wg0',
    '--property=Type=exec',
    '--setenv=LOG_LEVEL=error',
    '--',
    'wireguard-go',
    '-f',
    'wg0',
  ]);
  assert.ok(systemdArguments('wg0', '/proc/7/ns/net').includes('--property=NetworkNamespacePath=/proc/7/ns/net'));
});

test('links are read from the output of ip', () => {
  const tun = (type: string) => `[{"mtu":1280,"linkinfo":{"info_kind":"tun","info_data":{"type":"${type}"}}}]`;
  assert.deepEqual(parseLink(tun('tun')), { kind: 'tun', mtu: 1280 });
  assert.deepEqual(parseLink(tun('tap')), { kind: 'tap', mtu: 1280 });
  assert.deepEqual(parseLink('[{"mtu":1500}]'), { kind: '', mtu: 1500 });
  for (const bad of ['', '{}', '[]', '[{}]', '[null]', '[{"mtu":"1"}]', '[{"mtu":1},{"mtu":2}]'])
    assert.throws(() => parseLink(bad), { code: 'protocol' }, bad);
});

test('the output of a failed program is quoted without keys and frames', () => {
  const said = `\n┌──┐\n│ x │\n└──┘\nERROR: \u001b[1mkey ${'A'.repeat(43)}= or ${'0f'.repeat(32)}\n`;
  const failure = commandFailure('wg', ['set', 'wg0', 'peer'], { exitCode: 3, stdout: '', stderr: said });
  assert.equal(failure.code, 'failed');
  assert.equal(failure.message, 'wg set wg0 failed with exit code 3: ERROR:  [1mkey (key) or (key)');
  const refused = commandFailure('ip', [], {
    exitCode: 2,
    stdout: '',
    stderr: 'RTNETLINK answers: Operation not permitted\n',
  });
  assert.equal(refused.code, 'no-privilege');
});

test('programs are found, timed out and killed', async () => {
  assert.deepEqual(await tryCommand('sh', ['-c', 'echo out; echo err >&2; exit 3']), {
    exitCode: 3,
    stdout: 'out\n',
    stderr: 'err\n',
  });
  assert.deepEqual(
    (await tryCommand('env', [])).stdout
      .split('\n')
      .map((line) => line.split('=')[0])
      .sort(),
    ['', 'LC_ALL', 'PATH'],
  );
  await assert.rejects(tryCommand('sleep', ['60'], { timeoutMs: 50 }), { code: 'timeout' });
  await assert.rejects(tryCommand('sallyport-no-such-program', []), { code: 'missing-tool' });
});
