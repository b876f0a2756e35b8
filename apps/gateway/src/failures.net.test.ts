import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Cleanup, Daemon, until, whyNoNamespaces } from '@sallyport/testkit';
import { deployableWorld, fails, reachable, recovers } from './testing/waits.ts';
import { wireguardPort } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;

test('failures are reported as sentences and recover without a restart', { skip }, async (t) => {
  const made = await deployableWorld(t);
  const blocker = Daemon.start(
    ['-e', `require('dgram').createSocket('udp4').bind(${wireguardPort}, () => console.log('bound'))`],
    { cleanup: made.cleanup, namespace: made.gateway },
  );
  await blocker.says(/bound/);
  made.startAgent();
  assert.match((await fails(made, 'port-taken')).message, /51820.*(stop|choose)/);
  await blocker.kill('SIGKILL');
  await recovers(made);

  await t.test('a foreign chain that drops', async () => {
    await made.gateway.nft(
      'add table inet foreign; add chain inet foreign forward { type filter hook forward priority 0; policy drop; }',
    );
    assert.match((await fails(made, 'foreign-chain-drops')).message, /inet foreign.*Let them through/);
    await made.gateway.nft('delete table inet foreign');
    await recovers(made);
  });

  await t.test('wireguard-go killed, peer removed', async () => {
    await made.deviceUp();
    await until('the tunnel', () => reachable(made));
    await until('the endpoint to be remembered', () => readFile(join(made.stateDir, 'endpoints.json'), 'utf8'));
    const pids = await made.gateway.exec('pgrep', '-f', `wireguard-go ${made.interface}`);
    for (const pid of pids.trim().split('\n')) process.kill(Number(pid), 'SIGKILL');
    await until('the tunnel', () => reachable(made));
    await made.gateway.exec('wg', 'set', made.interface, 'peer', made.deviceItem().publicKey, 'remove');
    await until('the tunnel', () => reachable(made));
  });

  await t.test('address, route, rule and link are repaired long before the sweep', async () => {
    const { gateway, interface: name } = made;
    const mended = (what: string, look: () => Promise<string>, there: string) =>
      until(`${what} to be mended`, async () => (await look()).includes(there), { timeoutMs: 20_000 });
    await gateway.ip('route', 'del', '100.64.0.0/24', 'dev', name);
    await mended('the route', () => gateway.ip('route'), `100.64.0.0/24 dev ${name}`);
    await gateway.ip('addr', 'del', '100.64.0.1/32', 'dev', name);
    await mended('the address', () => gateway.ip('addr', 'show', name), '100.64.0.1/32');
    await gateway.ip('rule', 'del', 'pref', '0', 'iif', name);
    await mended('the rule', () => gateway.ip('rule'), name);
    await gateway.ip('link', 'set', name, 'down');
    await mended('the link', () => gateway.ip('link', 'show', name), ',UP');
    await until('the tunnel', () => reachable(made));
  });
});

test('missing privileges are reported through the controller', { skip }, async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const made = await deployableWorld(t);
  const stateDir = await mkdtemp(join(tmpdir(), 'sallyport-nobody-'));
  cleanup.add(() => rm(stateDir, { recursive: true, force: true }));
  await chmod(stateDir, 0o777);
  const program = fileURLToPath(new URL('./main.ts', import.meta.url));
  const run = [process.execPath, program, 'run', '--controller', 'http://127.0.0.1:7000', '--token-file', '-'];
  const identity = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
  const where = ['--state-dir', join(stateDir, 'state'), '--interface', made.interface];
  const child = spawn('ip', ['netns', 'exec', made.gateway.name, ...identity, ...run, ...where], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  cleanup.add(async () => {
    if (child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  });
  child.stdin.write(`${made.token}\n`);
  assert.match((await fails(made, 'no-privilege')).message, /root.*CAP_NET_ADMIN/);
});
