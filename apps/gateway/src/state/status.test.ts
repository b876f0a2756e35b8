import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { StateDirectory, writeIdentity } from '@sallyport/agent-runtime';
import { privateKeyFrom, slowness } from '@sallyport/wireguard';
import { gatewayStatus } from '../commands/status.ts';

test('a foreign status file is ignored and breaks nothing', async (t) => {
  const stateDir = await mkdtemp(join(tmpdir(), 'sallyport-status-'));
  t.after(() => rm(stateDir, { recursive: true }));
  const good = {
    ...{ pid: 1, updatedAt: '2026-11-29T12:00:00.000Z', phase: 'live', failure: null, intent: null, devices: 0 },
    ...{ applied: { revision: { epoch: 'e', number: 1 }, hash: '0' }, leaseUntil: null },
  };
  const shown = async (status: unknown) => {
    await writeFile(join(stateDir, 'status.json'), JSON.stringify(status));
    return JSON.parse((await gatewayStatus({ stateDir, json: true, interface: 'sp0' })).text);
  };
  assert.equal((await shown({ ...good, later: 'field' })).phase, 'live');
  assert.equal((await shown({ ...good, later: 'field' })).later, undefined);
  const bad = [
    { ...good, applied: 'nothing' },
    { ...good, failure: { code: 7 } },
    { ...good, phase: 'x'.repeat(1_000_000) },
    { ...good, leaseUntil: 'x' },
    [good],
    'text',
  ];
  for (const status of bad) assert.equal((await shown(status)).phase, undefined);
});

test('status reports the cost of an old build of wireguard-go', async (t) => {
  const stateDir = await mkdtemp(join(tmpdir(), 'sallyport-status-'));
  t.after(() => rm(stateDir, { recursive: true }));
  const directory = StateDirectory.at(stateDir);
  const key = Buffer.alloc(32, 1).toString('base64');
  await writeIdentity(directory, {
    agent: '00000000-0000-4000-8000-000000000000',
    ...{ identityPrivateKey: key, wireguardPrivateKey: privateKeyFrom(Buffer.alloc(32, 1)) },
    ...{ controllerKey: null, enrolledWith: null },
  });
  const status = {
    ...{ pid: 1, updatedAt: '2026-11-29T12:00:00.000Z', phase: 'live', failure: null, intent: null, devices: 0 },
    ...{ applied: null, leaseUntil: null },
  };
  const shown = async (more: object) => {
    await writeFile(join(stateDir, 'status.json'), JSON.stringify({ ...status, ...more }));
    return (await gatewayStatus({ stateDir, json: false, interface: 'sp0' })).text;
  };
  const slow = slowness({ program: 'wireguard-go', date: 20220316 });
  assert.match(
    await shown({ slow }),
    /^slow +wireguard-go is a build of 2022\. Later builds forward five times as much/m,
  );
  for (const more of [{}, { slow: null }]) assert.doesNotMatch(await shown(more), /^slow/m);
});

test('status reports a state directory without room, and the age of the rest', async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('needs root to mount a small file system');
  const stateDir = await mkdtemp(join(tmpdir(), 'sallyport-status-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', stateDir]);
  t.after(async () => {
    execFileSync('umount', ['--lazy', stateDir]);
    await rm(stateDir, { recursive: true });
  });
  const status = {
    ...{ pid: 1, updatedAt: '2026-11-29T12:00:00.000Z', phase: 'live', failure: null, intent: null, devices: 0 },
    ...{ applied: null, leaseUntil: null, notes: ['The state directory does not take the endpoints of peers (EIO).'] },
  };
  await writeFile(join(stateDir, 'status.json'), JSON.stringify(status));
  const directory = await StateDirectory.open(stateDir);
  const key = Buffer.alloc(32, 1).toString('base64');
  await writeIdentity(directory, {
    agent: '00000000-0000-4000-8000-000000000000',
    ...{ identityPrivateKey: key, wireguardPrivateKey: privateKeyFrom(Buffer.alloc(32, 1)) },
    ...{ controllerKey: null, enrolledWith: null },
  });
  const shown = async (json: boolean) => (await gatewayStatus({ stateDir, json, interface: 'sp0' })).text;
  assert.equal(JSON.parse(await shown(true)).stateDirectory, 'writable');
  execFileSync('mount', ['-o', 'remount,ro', stateDir]);
  assert.equal(JSON.parse(await shown(true)).stateDirectory, 'read-only');
  const text = await shown(false);
  assert.match(text, /note +The state directory does not take the endpoints of peers/);
  assert.match(text, /state dir +it is read-only: .* may be as old as 2026-11-29T12:00:00.000Z/);
});
