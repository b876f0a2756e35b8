import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Cleanup, Daemon, exec, until, whyNoNamespaces } from '@sallyport/testkit';

const skip = whyNoNamespaces() ?? false;
const program = fileURLToPath(new URL('./main.ts', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));

async function leftOf(pid: number): Promise<string[]> {
  return (await exec('ip', ['netns', 'list'])).split('\n').filter((line) => line.startsWith(`lab-${pid}-`));
}

test('npm run lab -- --once runs the whole story, exits with 0 and leaves nothing behind', { skip }, async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const lab = Daemon.start([program, '--once'], { cleanup });
  const pid = lab.child.pid ?? 0;
  await until('the lab to end', () => !lab.running, { timeoutMs: 90_000 });
  assert.equal(lab.child.exitCode, 0, lab.output);
  assert.match(lab.output, /Every step held/);
  assert.deepEqual(await leftOf(pid), []);
});

test('an interrupted lab leaves nothing behind', { skip }, async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const lab = Daemon.start([program], { cleanup });
  const pid = lab.child.pid ?? 0;
  await lab.says(/status ONLINE/, 60_000);
  lab.child.kill('SIGINT');
  await until('the lab to end', () => !lab.running, { timeoutMs: 60_000 });
  assert.deepEqual(await leftOf(pid), []);
});

for (const script of ['lab', 'bench']) {
  test(`npm run ${script} reaches its program`, async () => {
    const help = await exec('npm', ['--silent', '--prefix', root, 'run', script, '--', '--help']);
    assert.match(help, new RegExp(`npm run ${script}`));
  });
}

test('the lab refuses a wrong option and prints its help', async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const lab = Daemon.start([program, '--forever'], { cleanup });
  await until('the lab to end', () => !lab.running);
  assert.equal(lab.child.exitCode, 2);
  assert.match(lab.output, /--forever[\s\S]*--once/);
});
