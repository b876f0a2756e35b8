import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, writeSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { StateDirectory, StateWriteError } from './directory.ts';
import { lockAgent, lockHolder } from './lock.ts';
import { HostRecord, readSavedHost, writeSavedHost } from './saved-host.ts';

/** A small file system, unmounted after the test; null, with the test skipped, where none can be mounted. */
async function smallDisk(t: TestContext, options: string) {
  if (process.geteuid?.() !== 0) {
    t.skip('needs root to mount a small file system');
    return null;
  }
  const path = await mkdtemp(join(tmpdir(), 'sallyport-small-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `${options},mode=700`, 'tmpfs', path]);
  t.after(async () => {
    execFileSync('umount', ['--lazy', path]);
    await rm(path, { recursive: true });
  });
  return { path, directory: await StateDirectory.open(path) };
}

function fill(path: string): void {
  const file = openSync(join(path, 'fill'), 'w');
  try {
    for (;;) writeSync(file, Buffer.alloc(4096));
  } catch {}
  closeSync(file);
}

const refused = (error: unknown) => error instanceof StateWriteError && error.diskRefuses;

it('an agent locks a full directory, and the lock holds', async (t) => {
  const disk = await smallDisk(t, 'size=64k');
  if (disk === null) return;
  await writeFile(join(disk.path, 'agent.lock'), `${process.pid} 1`);
  fill(disk.path);
  const lock = await lockAgent(disk.path, `full${process.pid}`, join(disk.path, 'run'));
  assert.equal(await lockHolder(disk.path), process.pid);
  await assert.rejects(lockAgent(disk.path, 'other', join(disk.path, 'run')), /is in use by the agent/);
  await lock.release();
  assert.equal(await lockHolder(disk.path), null);
});

it('an agent runs without a lock if the disk has no room for a name', async (t) => {
  const disk = await smallDisk(t, 'size=64k,nr_inodes=3');
  if (disk === null) return;
  await writeFile(join(disk.path, 'one'), '');
  await writeFile(join(disk.path, 'two'), '');
  const lock = await lockAgent(disk.path, `full${process.pid}`, join(disk.path, 'run'));
  await lock.release();
});

it('a text that must not stay is overwritten in place on a full disk', async (t) => {
  const disk = await smallDisk(t, 'size=64k');
  if (disk === null) return;
  const { directory, path } = disk;
  await directory.write('state.json', 'what was granted '.repeat(100));
  fill(path);
  await assert.rejects(directory.write('state.json', 'less'), refused);
  assert.match((await directory.read('state.json')) ?? '', /granted/, 'write alone leaves it');
  await directory.writeOrForget('state.json', 'less');
  assert.equal(await directory.read('state.json'), 'less');
  assert.deepEqual(readdirSync(path).sort(), ['fill', 'state.json'], 'nothing half written is left');
});

it('a failed write is reported until it succeeds', async (t) => {
  const disk = await smallDisk(t, 'size=64k');
  if (disk === null) return;
  const { directory, path } = disk;
  const remount = (how: 'ro' | 'rw') => execFileSync('mount', ['-o', `remount,${how}`, path]);
  await directory.write('state.json', 'x');
  assert.deepEqual(directory.unsaved, []);
  remount('ro');
  await assert.rejects(directory.writeOrForget('state.json', 'y'));
  await assert.rejects(directory.write('endpoints.json', 'y'), refused);
  const [note = '', ...more] = directory.unsaved;
  assert.match(note, /does not take the newest state of the controller, the endpoints of peers \(EROFS\)/);
  assert.deepEqual(more, []);
  remount('rw');
  await directory.writeOrForget('state.json', 'y');
  assert.match(directory.unsaved.join(), /does not take the endpoints of peers \(/);
  await directory.write('endpoints.json', 'y');
  assert.deepEqual(directory.unsaved, []);
});

it('a text that must not stay is removed if the new one does not fit', async (t) => {
  const disk = await smallDisk(t, 'size=64k');
  if (disk === null) return;
  const { directory, path } = disk;
  await directory.write('state.json', 'what was granted');
  fill(path);
  await assert.rejects(directory.writeOrForget('state.json', 'much '.repeat(10_000)), refused);
  assert.equal(await directory.read('state.json'), null);
  await directory.writeOrForget('state.json', 'there is room again');
  assert.equal(await directory.read('state.json'), 'there is room again');
});

it('an agent starts on a read-only directory, even with a stale lock', async (t) => {
  const disk = await smallDisk(t, 'size=64k');
  if (disk === null) return;
  const { path } = disk;
  const remount = (how: 'ro' | 'rw') => execFileSync('mount', ['-o', `remount,${how}`, path]);
  const lock = () => lockAgent(path, `ro${process.pid}`, join(tmpdir(), 'sallyport-no-run'));
  remount('ro');
  const directory = await StateDirectory.open(path);
  await (await lock()).release();
  await assert.rejects(directory.write('state.json', 'x'), refused);
  remount('rw');
  await writeFile(join(path, 'agent.lock'), '1 1');
  remount('ro');
  await (await lock()).release();
  remount('rw');
  const held = await lock();
  remount('ro');
  await held.release();
});

it('a full disk neither loses undo records nor blocks the caller', async (t) => {
  const disk = await smallDisk(t, 'size=64k');
  if (disk === null) return;
  const saved = { host: { interface: 'sp0' }, sysctls: [] };
  assert.equal(await writeSavedHost(disk.directory, saved), true);
  fill(disk.path);
  assert.equal(await writeSavedHost(disk.directory, { ...saved, host: { interface: 'sp1' } }), false);
  assert.deepEqual(await readSavedHost(disk.directory), saved);
});

it('a record that does not fit on disk stays in memory and is stored when there is room', async (t) => {
  const disk = await smallDisk(t, 'size=64k');
  if (disk === null) return;
  const { path, directory } = disk;
  const record = new HostRecord<{ interface: string }>(directory);
  const change = { path: 'net/ipv4/ip_forward', before: '0', value: '1' };
  assert.equal(await record.read(), null);
  fill(path);
  await record.intend({ interface: 'sp0' });
  await record.add({ interface: 'sp0' }, [change]);
  assert.deepEqual(await record.read(), { host: { interface: 'sp0' }, sysctls: [change] });
  assert.equal(await readSavedHost(directory), null);
  await rm(join(path, 'fill'));
  await record.intend({ interface: 'sp0' });
  assert.deepEqual(await readSavedHost(directory), { host: { interface: 'sp0' }, sysctls: [change] });
  await record.remove();
  assert.equal(await record.read(), null);
});
