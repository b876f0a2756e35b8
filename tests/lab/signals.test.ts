import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { exec, until, whyNoNamespaces } from '@sallyport/testkit';

const skip = whyNoNamespaces() ?? false;
const root = fileURLToPath(new URL('../../', import.meta.url));
const patient = { timeoutMs: 90_000 };

/** A lab started by some command, identified by its first line of output. */
class Lab {
  readonly child: ChildProcess;
  readonly temporary: string;
  output = '';
  /** It has ended, and all its output is here. */
  #closed = false;

  constructor(t: TestContext, [file = '', ...args]: readonly string[], stdin: 'ignore' | 'pipe' = 'ignore') {
    this.temporary = mkdtempSync(join(tmpdir(), 'sp-signals-'));
    mkdirSync(join(this.temporary, 'tmp'));
    this.child = spawn(file, args, {
      cwd: root,
      detached: true,
      stdio: [stdin, 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: join(this.temporary, 'tmp') },
    });
    this.child.on('close', () => {
      this.#closed = true;
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (data: Buffer) => {
        this.output += data.toString();
      });
    t.after(async () => {
      if (this.running) process.kill(-(this.child.pid ?? 0), 'SIGKILL');
      for (const name of await this.namespaces()) await exec('sh', ['-c', removal(name)]);
      rmSync(this.temporary, { recursive: true, force: true });
    });
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Process id of the lab itself, below npm and shells. */
  get pid(): number {
    return Number(/begin with lab-(\d+)-/.exec(this.output)?.[1] ?? Number.NaN);
  }

  async says(pattern: RegExp): Promise<void> {
    await until(`the lab to say ${pattern}`, () => pattern.test(this.output) || !this.running, patient);
    assert.ok(this.running, this.output);
  }

  async namespaces(): Promise<string[]> {
    const names = (await exec('ip', ['netns', 'list'])).split('\n').map((line) => line.split(' ')[0] ?? '');
    return names.filter((name) => name.startsWith(`lab-${this.pid}-`));
  }

  /** Returns all processes in the lab's namespaces. */
  async processes(): Promise<string[]> {
    const lists = await Promise.all(
      (await this.namespaces()).map((name) => exec('ip', ['netns', 'pids', name]).catch(() => '')),
    );
    return lists.join('\n').split('\n').filter(Boolean);
  }

  async ends(): Promise<void> {
    await until('the lab to end', () => this.#closed, patient).catch((error) => {
      throw new Error(`${(error as Error).message}; it said:\n${this.output}`);
    });
  }

  async leftNothing(processes: readonly string[]): Promise<void> {
    assert.deepEqual(await this.namespaces(), [], this.output);
    await until('the processes of the lab to be gone', () => processes.every((pid) => !existsSync(`/proc/${pid}`)));
    const folders = readdirSync(join(this.temporary, 'tmp')).filter((name) => name.startsWith('sallyport-'));
    assert.deepEqual(folders, []);
  }
}

const removal = (name: string): string => `ip netns pids ${name} | xargs -r kill -9; ip netns del ${name}`;

const moments: [string, RegExp][] = [
  ['while its namespaces are being made', /begin with lab-/],
  ['while its controller starts', /starting the controller/],
  ['in the middle of its story', /status ONLINE/],
];
for (const [when, pattern] of moments) {
  test(`npm run lab leaves nothing after Ctrl-C ${when}, which npm doubles`, { skip }, async (t) => {
    const lab = new Lab(t, ['npm', 'run', 'lab']);
    await lab.says(pattern);
    const processes = await lab.processes();
    // Like a terminal, it signals the whole process group; npm forwards each signal as well.
    process.kill(-(lab.child.pid ?? 0), 'SIGINT');
    await pause(10);
    process.kill(-(lab.child.pid ?? 0), 'SIGINT');
    await lab.ends();
    await lab.leftNothing(processes);
    assert.match(lab.output, /Everything is taken down/);
  });
}

test('npm run lab in a terminal leaves nothing behind after two Ctrl-C', { skip }, async (t) => {
  const lab = new Lab(t, ['script', '-qefc', 'npm run lab', '/dev/null'], 'pipe');
  await lab.says(/namespaces: lab-/);
  const processes = await lab.processes();
  const hints = lab.output.split(/\r?\n/).filter((line) => /^ {2}(ip netns exec|export)/.test(line));
  const shown = await exec('sh', ['-ec', `cd '${root}'\n${hints.join('\n')}`]);
  assert.match(shown, /private page[\s\S]*office[\s\S]*ONLINE[\s\S]*table inet/, 'the commands that it shows work');
  lab.child.stdin?.write('\x03');
  await lab.says(/Stopping/);
  await until('a second to pass since the first signals', () => pause(1100).then(() => true));
  if (lab.running) lab.child.stdin?.write('\x03');
  await lab.ends();
  await lab.leftNothing(processes);
});

for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
  test(`a lab that gets ${signal} twice cleans up once, whole`, { skip }, async (t) => {
    const lab = new Lab(t, ['sh', 'scripts/lab.sh']);
    await lab.says(/status ONLINE/);
    const processes = await lab.processes();
    lab.child.kill(signal);
    await pause(10);
    lab.child.kill(signal);
    await lab.ends();
    await lab.leftNothing(processes);
    assert.equal(lab.child.exitCode, signal === 'SIGTERM' ? 143 : 129, lab.output);
  });
}

test('a lab whose reader closes its pipe cleans up', { skip }, async (t) => {
  const lab = new Lab(t, ['sh', 'scripts/lab.sh']);
  await lab.says(/status ONLINE/);
  const processes = await lab.processes();
  lab.child.stdout?.destroy();
  await lab.ends();
  await lab.leftNothing(processes);
});

test('three signals within a second end a lab at once, and the printed command removes the rest', {
  skip,
}, async (t) => {
  const lab = new Lab(t, ['sh', 'scripts/lab.sh']);
  await lab.says(/status ONLINE/);
  while (lab.running) {
    lab.child.kill('SIGINT');
    await pause(60);
  }
  assert.equal(lab.child.exitCode, 130, lab.output);
  assert.ok((await lab.namespaces()).length > 0, 'it had no time to clean up');
  const command = /^To remove them: (.*)$/m.exec(lab.output)?.[1] ?? '';
  await exec('sh', ['-c', command]);
  assert.deepEqual(await lab.namespaces(), [], command);
});
