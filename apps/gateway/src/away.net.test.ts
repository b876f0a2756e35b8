import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { holds, until, whyNoNamespaces } from '@sallyport/testkit';
import { deployableWorld, fails, reachable, stillReachable } from './testing/waits.ts';
import { traces } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;

test('without the controller', { skip }, async (t) => {
  const made = await deployableWorld(t);
  const away = ['--controller', 'http://127.0.0.1:9'];
  made.startAgent();
  await made.applied();
  await made.deviceUp();
  await until('the tunnel', () => reachable(made));

  await t.test('a cold start restores everything from the disk', async () => {
    await made.agent.kill('SIGKILL');
    await made.command('down');
    assert.deepEqual(await traces(made.gateway, made.interface), []);
    made.startAgent(away, '\n');
    await until('the tunnel', () => reachable(made));
  });

  await t.test('SIGTERM keeps the data plane, and --down-on-exit removes it, also after two interrupts', async () => {
    await made.agent.kill('SIGTERM');
    assert.equal(made.agent.child.exitCode, 0);
    assert.equal(await stillReachable(made), true);
    made.startAgent([...away, '--down-on-exit'], '\n');
    await made.agent.says(/starting/);
    const ended = made.agent.kill('SIGINT');
    await pause(10);
    made.agent.child.kill('SIGINT');
    await ended;
    assert.equal(made.agent.child.exitCode, 0, made.agent.output);
    assert.deepEqual(await traces(made.gateway, made.interface), []);
  });

  await t.test('a parent that dies is no reason to take it down', async () => {
    made.startAgent([...away, '--down-on-exit'], '\n');
    await until('the tunnel', () => reachable(made));
    made.agent.child.stdin?.end();
    await until('the agent to end', () => !made.agent.running);
    assert.equal(made.agent.child.exitCode, 0);
    assert.equal(await stillReachable(made), true);
    const undone = await made.command('down');
    assert.match(undone, /interface .* with 1 peers[\s\S]*routes and rules[\s\S]*ip_forward[\s\S]*nftables table/);
    assert.match(await made.command('down'), /Nothing to undo/);
    assert.deepEqual(await traces(made.gateway, made.interface), []);
  });
});

test('nothing passes after the end of the lease, with and without an agent', { skip }, async (t) => {
  const made = await deployableWorld(t);
  made.startAgent();
  await made.applied();
  await made.deviceUp();
  await until('the tunnel', () => reachable(made));
  await made.controller.call({ op: 'lease', leaseMs: 1_000 });
  await fails(made, 'lease-over');
  assert.equal(await reachable(made), false);
  assert.equal((await made.gateway.exec('wg', 'show', made.interface, 'peers')).trim(), '');

  await made.controller.call({ op: 'lease', leaseMs: 24 * 3_600_000 });
  await made.controller.change([made.deviceItem()]);
  await until('the tunnel', () => reachable(made));
  await made.controller.call({ op: 'lease', leaseMs: 10_000 });
  await until('the short lease to be stored', async () => {
    const stored = JSON.parse(await readFile(join(made.stateDir, 'state.json'), 'utf8'));
    return stored.snapshot.signed.statement.leaseUntil < Date.now() + 11_000;
  });
  const rules = () => made.gateway.exec('nft', 'list', 'table', 'inet', `sallyport_${made.interface}`);
  await until('the kernel to hold the short lease', async () =>
    /set lease_[abc] \{[^}]*timeout \d?\ds/.test(await rules()),
  );
  await made.agent.kill('SIGKILL');
  assert.equal(await stillReachable(made), true, 'the lease goes on without the agent');
  await until('the kernel to close', async () => !(await reachable(made)));

  made.startAgent(['--controller', 'http://127.0.0.1:9'], '\n');
  await made.agent.says(/the lease of the state is over/);
  assert.equal(await holds(async () => !(await reachable(made)), 1_000), true);
});
