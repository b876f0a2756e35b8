import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { root } from '@sallyport/program/place';
import { folder } from '../testing/run.ts';
import { holderText, livingProcess } from './processes.ts';
import { beginTrial, endTrial, runningTrial } from './trial.ts';

/** Versions 1.0.0 and 2.0.0, whose programs print their version and arguments; 1.0.0 is current. */
async function twoVersions(t: TestContext) {
  const home = await folder(t);
  for (const version of ['1.0.0', '2.0.0']) {
    const place = join(home, 'versions', version);
    for (const part of ['bin', 'programs']) mkdirSync(join(place, part), { recursive: true });
    copyFileSync(join(root, 'bin/sally'), join(place, 'bin/sally'));
    writeFileSync(
      join(place, 'bin/node'),
      `#!/bin/sh\nuntil [ "\${1%.js}" != "$1" ]; do shift; done; shift\necho ${version} "$@"\n`,
    );
    chmodSync(join(place, 'bin/node'), 0o755);
  }
  symlinkSync('versions/1.0.0', join(home, 'current'));
  const run = (...args: string[]): string =>
    spawnSync(join(home, 'current/bin/sally'), args, { encoding: 'utf8' }).stdout.trim();
  return { layout: { home }, run, file: join(home, 'trial') };
}

test('agents start with the version of a trial as long as its process runs; other commands do not', async (t) => {
  const { layout, run } = await twoVersions(t);
  assert.equal(run('gateway', 'run', '--x'), '1.0.0 run --x');
  assert.equal(await beginTrial(layout, '2.0.0'), null);
  assert.equal(run('gateway', 'run', '--x'), '2.0.0 run --x');
  assert.equal(run('client', 'run'), '2.0.0 run');
  assert.equal(run('gateway', 'status'), '1.0.0 status');
  assert.equal(run('devices', 'list'), '1.0.0 devices list');
  await endTrial(layout);
  assert.equal(run('gateway', 'run'), '1.0.0 run');
});

test('a trial whose process was killed is over, and the next one takes its place', async (t) => {
  const { layout, run, file } = await twoVersions(t);
  const child = spawn('sleep', ['1000']);
  t.after(() => child.kill('SIGKILL'));
  writeFileSync(file, `2.0.0 ${await holderText(child.pid ?? 0)}\n`);
  assert.equal(await runningTrial(layout), '2.0.0');
  assert.equal(run('gateway', 'run'), '2.0.0 run');
  assert.equal(await beginTrial(layout, '3.0.0'), '2.0.0', 'one trial at a time');
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(run('gateway', 'run'), '1.0.0 run');
  assert.equal(await runningTrial(layout), null);
  assert.equal(await beginTrial(layout, '2.0.0'), null);
});

test('a file that is no trial, or names no version on this host, changes nothing', async (t) => {
  const { run, file } = await twoVersions(t);
  const me = await holderText(process.pid);
  for (const text of ['', '2.0.0', '2.0.0 1 1', `../2.0.0 ${me}`, `/tmp ${me}`, `9.9.9 ${me}`, `$(id) ${me}`, '\n\n']) {
    writeFileSync(file, `${text}\n`);
    assert.equal(run('gateway', 'run'), '1.0.0 run', text);
  }
  assert.ok(existsSync(file));
});

test('a process is known by its start time, and an ended one is not alive', async () => {
  const text = (await holderText(process.pid)) ?? '';
  assert.equal(await livingProcess(text), process.pid);
  assert.equal(await livingProcess(`${process.pid} 1`), null);
  for (const wrong of ['', 'x', '1', '1 1 1', `${text} `]) assert.equal(await livingProcess(wrong), null);
});
