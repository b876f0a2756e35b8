import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';

/** What a command on the host said. */
export interface Said {
  readonly code: number;
  readonly output: string;
}

/** A copy of this machine's files, in which every change goes to memory and ends with the test. */
export interface Host {
  /** Runs a shell script as root of the host. */
  run(script: string, input?: string, env?: Readonly<Record<string, string>>): Promise<Said>;
  /** Paths below the root that differ from this machine: made, changed or removed. */
  changed(): Promise<string[]>;
}

const overlay = `
set -e
mount -t tmpfs -o size=256m tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs tmpfs "$1/root/tmp"
rm -rf "$1/root/etc/sallyport" "$1/root/opt/sallyport" "$1/root/var/lib/sallyport" "$1/root/usr/local/bin/sally"
`;

/** Returns why no such host can be made here; null when it can. */
export function whyNoHost(): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  const tools = ['curl', 'openssl', 'xz', 'nft', 'ip', 'wg', 'nsenter', 'unshare', 'dash', 'busybox'];
  const script = `${tools.map((tool) => `command -v ${tool} >/dev/null || exit 3`).join('\n')}\n${overlay}`;
  const { status } = spawnSync('unshare', ['--mount', 'sh', '-c', script, 'sh', '/mnt'], { stdio: 'ignore' });
  return status === 0 ? null : status === 3 ? `needs ${tools.join(', ')}` : 'needs overlay file systems';
}

/** Makes a host. It stands on the network of this machine, so it reaches servers on loopback. */
export async function makeHost(t: TestContext): Promise<Host> {
  const keeper = spawn(
    'unshare',
    ['--mount', 'sh', '-c', `${overlay}\necho ready\nexec cat >/dev/null`, 'sh', '/mnt'],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const ended = once(keeper, 'exit');
  t.after(async () => {
    keeper.stdin.end();
    await ended;
  });
  await Promise.race([
    once(keeper.stdout, 'data'),
    ended.then(() => Promise.reject(new Error('the host could not be made'))),
  ]);
  const inside = (...command: string[]) => ['--target', String(keeper.pid), '--mount', ...command];
  const list = async () => {
    const { output } = await run(inside('find', '/mnt/upper', '-mindepth', '1', '-not', '-type', 'd'), '', {});
    return output.split('\n').flatMap((path) => (path === '' ? [] : [path.slice('/mnt/upper'.length)]));
  };
  // What this machine has of Sallyport is not on the host.
  const hidden = await list();
  return {
    run: (script, input = '', env = {}) => run(inside('chroot', '/mnt/root', 'dash', '-c', script), input, env),
    changed: async () => (await list()).filter((path) => !hidden.includes(path)),
  };
}

function run(args: readonly string[], input: string, env: Readonly<Record<string, string>>): Promise<Said> {
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  return new Promise((resolve) => {
    const options = { env: { PATH: path, ...env }, timeout: 60_000 };
    const child = execFile('nsenter', args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, output: `${stdout}${stderr}` });
    });
    child.stdin?.on('error', () => undefined).end(input);
  });
}
