import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gatewayItem } from '@sallyport/agent-core/testing';
import type { AgentMessage } from '@sallyport/contract/channel';
import { Cleanup, Daemon, holds, until, whyNoNamespaces } from '@sallyport/testkit';
import { serverAddress, traces, World, wireguardPort } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;

async function world(t: { after(step: () => Promise<void>): void }): Promise<World> {
  const made = await World.create();
  t.after(() => made.cleanup.run());
  await made.controller.change(made.items());
  return made;
}

const reachable = async ({ device }: World) => (await device.tcp(serverAddress, 80, { timeoutMs: 400 })) === 'ok';

/** Waits until the agent reports a failure with this code. */
async function fails(made: World, code: string): Promise<Extract<AgentMessage, { type: 'failed' }>> {
  const found = await until(`the failure ${code}`, async () =>
    (await made.controller.heard()).findLast((message) => message.type === 'failed' && message.code === code),
  );
  return found as Extract<AgentMessage, { type: 'failed' }>;
}

/** Waits until something was applied after the last failure. */
async function recovers(made: World): Promise<void> {
  await until('the agent to recover', async () => {
    const news = (await made.controller.heard()).filter(({ type }) => type === 'applied' || type === 'failed');
    return news.at(-1)?.type === 'applied';
  });
}

test('intents and settings', { skip }, async (t) => {
  const made = await world(t);
  made.startAgent();
  await made.applied();
  await made.deviceUp();
  await until('the tunnel', () => reachable(made));

  await t.test('OFFLINE: no peers, no grants, and back', async () => {
    await made.controller.change([gatewayItem({ listenPort: wireguardPort, intent: 'OFFLINE' })]);
    await made.applied();
    assert.equal(await reachable(made), false);
    await until('safe to stop', async () => (await made.controller.lastHeard('heartbeat')).safeToStop);
    await made.controller.change([gatewayItem({ listenPort: wireguardPort })]);
    await made.applied();
    // The peer came back with its last endpoint, so the gateway speaks first.
    await until('the tunnel', () => reachable(made), { timeoutMs: 5_000 });
  });

  await t.test('MAINTENANCE: flows go on, new ones are refused, quiet is safe to stop', async () => {
    await made.device.startStream('s', serverAddress, 80);
    await until('echoes', async () => (await made.device.stream('s')).received > 5);
    await made.controller.change([gatewayItem({ listenPort: wireguardPort, intent: 'MAINTENANCE' })]);
    await made.applied();
    const { received } = await made.device.stream('s');
    await until('more echoes', async () => (await made.device.stream('s')).received > received + 10);
    assert.equal((await made.controller.lastHeard('heartbeat')).safeToStop, false);
    assert.equal(await reachable(made), false);
    await made.device.stopStream('s');
    await until('safe to stop', async () => (await made.controller.lastHeard('heartbeat')).safeToStop);
  });

  await t.test('another port moves the listener', async () => {
    await made.controller.change([gatewayItem({ listenPort: wireguardPort + 1, mtu: 1300 })]);
    await made.applied();
    const sockets = await made.gateway.exec('ss', '-lun');
    assert.match(sockets, new RegExp(`:${wireguardPort + 1}\\b`));
    assert.doesNotMatch(sockets, new RegExp(`:${wireguardPort}\\b`));
    assert.match(await made.gateway.ip('link', 'show', made.interface), /mtu 1300/);
  });
});

test('failures are reported in words and heal without a restart', { skip }, async (t) => {
  const made = await world(t);
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

  await t.test('wireguard-go killed, address and rule deleted, peer removed', async () => {
    await made.deviceUp();
    await until('the tunnel', () => reachable(made));
    const pids = await made.gateway.exec('pgrep', '-f', `wireguard-go ${made.interface}`);
    for (const pid of pids.trim().split('\n')) process.kill(Number(pid), 'SIGKILL');
    await until('the tunnel', () => reachable(made));
    await made.gateway.exec('wg', 'set', made.interface, 'peer', made.deviceItem().publicKey, 'remove');
    await until('the tunnel', () => reachable(made));
    await made.gateway.ip('addr', 'del', '100.64.0.1/32', 'dev', made.interface);
    await made.gateway.ip('rule', 'del', 'pref', '0', 'iif', made.interface);
    await until(
      'address and rule',
      async () =>
        (await made.gateway.ip('addr', 'show', made.interface)).includes('100.64.0.1/32') &&
        (await made.gateway.ip('rule')).includes(made.interface),
      { timeoutMs: 45_000 },
    );
  });
});

test('without the controller', { skip }, async (t) => {
  const made = await world(t);
  const away = ['--controller', 'http://127.0.0.1:9'];
  made.startAgent();
  await made.applied();
  await made.deviceUp();
  await until('the tunnel', () => reachable(made));

  await t.test('a cold start brings everything back from the disk', async () => {
    await made.agent.kill('SIGKILL');
    await made.command('down');
    assert.deepEqual(await traces(made.gateway, made.interface), []);
    made.startAgent(away, '\n');
    await until('the tunnel', () => reachable(made));
  });

  await t.test('SIGTERM leaves the data plane, --down-on-exit takes it down', async () => {
    await made.agent.kill('SIGTERM');
    assert.equal(made.agent.child.exitCode, 0);
    assert.equal(await reachable(made), true);
    made.startAgent([...away, '--down-on-exit'], '\n');
    await made.agent.says(/starting/);
    await made.agent.kill('SIGTERM');
    assert.equal(made.agent.child.exitCode, 0, made.agent.output);
    assert.deepEqual(await traces(made.gateway, made.interface), []);
  });

  await t.test('a parent that dies is no reason to take it down', async () => {
    made.startAgent([...away, '--down-on-exit'], '\n');
    await until('the tunnel', () => reachable(made));
    made.agent.child.stdin?.end();
    await until('the agent to end', () => !made.agent.running);
    assert.equal(made.agent.child.exitCode, 0);
    assert.equal(await reachable(made), true);
    const undone = await made.command('down');
    assert.match(undone, /interface .* with 1 peers[\s\S]*routes and rules[\s\S]*ip_forward[\s\S]*nftables table/);
    assert.match(await made.command('down'), /Nothing to undo/);
    assert.deepEqual(await traces(made.gateway, made.interface), []);
  });
});

test('when the lease is over nothing passes, with and without an agent', { skip }, async (t) => {
  const made = await world(t);
  await made.controller.call({ op: 'lease', leaseMs: 4_000 });
  made.startAgent();
  await made.applied();
  await made.deviceUp();
  await until('the tunnel', () => reachable(made));
  await fails(made, 'lease-over');
  assert.equal(await reachable(made), false);
  assert.equal((await made.gateway.exec('wg', 'show', made.interface, 'peers')).trim(), '');

  await made.controller.call({ op: 'lease', leaseMs: 5_000 });
  await made.controller.change([made.deviceItem()]);
  await until('the tunnel', () => reachable(made));
  await made.agent.kill('SIGKILL');
  assert.equal(await reachable(made), true, 'the lease goes on without the agent');
  await until('the kernel to close', async () => !(await reachable(made)));

  made.startAgent(['--controller', 'http://127.0.0.1:9'], '\n');
  await made.agent.says(/the lease of the state is over/);
  assert.equal(await holds(async () => !(await reachable(made)), 1_000), true);
});

test('without privileges it says so, through the controller', { skip }, async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const made = await world(t);
  const stateDir = await mkdtemp(join(tmpdir(), 'sallyport-nobody-'));
  cleanup.add(() => rm(stateDir, { recursive: true, force: true }));
  await chmod(stateDir, 0o777);
  const program = new URL('./main.ts', import.meta.url).pathname;
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
