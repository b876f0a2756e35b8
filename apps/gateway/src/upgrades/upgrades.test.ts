import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createLog, processText, StateDirectory } from '@sallyport/agent-runtime';
import { readUpgradeFile, type UpgradeFile } from '@sallyport/contract/local';
import { until } from '@sallyport/testkit';
import { HostUpgrades } from './upgrades.ts';

const request = '00000000-0000-4000-8000-000000000001';
const other = '00000000-0000-4000-8000-000000000002';

/** A host with version 1.0.0. A process that waits stands for `sally upgrade`; the test writes what it would write. */
async function host(t: TestContext, now = { version: '1.0.0', current: '1.0.0' }) {
  const path = await mkdtemp(join(tmpdir(), 'sallyport-host-upgrades-'));
  const directory = await StateDirectory.open(path);
  const started: string[] = [];
  const reports: string[] = [];
  const children = new Set<ReturnType<typeof spawn>>();
  let restarts = 0;
  const upgrades = new HostUpgrades({
    directory,
    releaseKey: '/keys.pem',
    log: createLog('error', () => undefined, Date.now),
    restart: () => {
      restarts++;
    },
    host: {
      version: now.version,
      current: () => now.current,
      start: (version, args) => {
        started.push([version, ...args].join(' '));
        const child = spawn('sleep', ['600'], { stdio: 'ignore' });
        children.add(child);
        return child;
      },
    },
  });
  t.after(async () => {
    upgrades.stop();
    for (const child of children) child.kill('SIGKILL');
    await rm(path, { recursive: true });
  });
  return {
    now,
    path,
    started,
    reports,
    restarts: () => restarts,
    ask: (version = '2.0.0', asked = request) =>
      upgrades.ask({ request: asked, version }, ({ request: of, state, reason }) =>
        reports.push([of === request ? '' : 'other ', state, reason === undefined ? '' : `: ${reason}`].join('')),
      ),
    file: async () => readUpgradeFile((await directory.read('upgrade.json')) ?? ''),
    write: (file: Partial<UpgradeFile>) =>
      directory.write(
        'upgrade.json',
        JSON.stringify({ request, version: '2.0.0', state: 'trial', holder: null, newField: 1, ...file }),
      ),
    end: async () => {
      for (const child of children) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    },
  };
}

const heard = (reports: readonly string[], last: string) => until(last, async () => reports.at(-1) === last);

test('a request starts one upgrade, and its states are reported once each', async (t) => {
  const { ask, started, reports, file, write, path } = await host(t);
  ask();
  await heard(reports, 'downloading');
  assert.deepEqual(started, [
    `2.0.0 --report ${request} --patience 180 --gateway-state-dir ${path} --release-key /keys.pem`,
  ]);
  const { holder = null } = (await file()) ?? {};
  assert.ok(holder !== null);
  await write({ state: 'trial', holder });
  await heard(reports, 'trial');
  // The controller asks again on each connection.
  ask();
  await until('the state again', async () => reports.filter((one) => one === 'trial').length === 2);
  await write({ state: 'returned', reason: 'every peer is gone', holder });
  await heard(reports, 'returned: every peer is gone');
  ask();
  await until('the end again', async () => reports.filter((one) => one.startsWith('returned')).length === 2);
  assert.equal(started.length, 1);
});

test('a flood of requests starts one upgrade, and is answered a few times', async (t) => {
  const { ask, started, reports, write } = await host(t);
  for (let i = 0; i < 10_000; i++) ask();
  await heard(reports, 'downloading');
  await write({ state: 'returned', holder: null });
  await heard(reports, 'returned');
  assert.equal(started.length, 1);
  assert.ok(reports.length < 5, reports.join());
});

test('a second request is refused while an upgrade runs, and begins after its end', async (t) => {
  const { ask, started, reports, write, end } = await host(t);
  ask();
  await heard(reports, 'downloading');
  ask('2.0.0', other);
  await heard(reports, 'other failed: Another upgrade of this host is under way');
  await end();
  await write({ state: 'failed', holder: null });
  ask('2.0.0', other);
  await heard(reports, 'other downloading');
  assert.equal(started.length, 2);
});

test('an upgrade that was killed ends as what is in force', async (t) => {
  const early = await host(t);
  early.ask();
  await heard(early.reports, 'downloading');
  await early.end();
  await heard(early.reports, 'failed: The upgrade was interrupted on the host');
  assert.equal(early.restarts(), 0);

  const decided = await host(t, { version: '2.0.0', current: '2.0.0' });
  await decided.write({ state: 'trial', holder: '4194304 1' });
  decided.ask();
  await heard(decided.reports, 'done');
  assert.equal((await decided.file())?.state, 'done');

  const trial = await host(t, { version: '2.0.0', current: '1.0.0' });
  await trial.write({ state: 'trial', holder: '4194304 1' });
  trial.ask();
  await heard(trial.reports, 'returned: The upgrade was interrupted on the host');
  assert.deepEqual([trial.restarts(), trial.started], [1, []]);
});

test('a trial whose upgrade lives goes on', async (t) => {
  const { ask, reports, write, restarts } = await host(t, { version: '2.0.0', current: '1.0.0' });
  await write({ state: 'trial', holder: await processText(process.pid) });
  ask();
  await heard(reports, 'trial');
  await write({ state: 'done', holder: await processText(process.pid) });
  await heard(reports, 'done');
  assert.equal(restarts(), 0);
});

test('a text that is no version starts nothing, and the version that runs is done', async (t) => {
  const { ask, started, reports } = await host(t);
  ask('$(reboot)');
  await heard(reports, 'failed: $(reboot) is no version');
  ask('1.0.0', other);
  await heard(reports, 'other done');
  assert.deepEqual(started, []);
});
