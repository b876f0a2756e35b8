import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Cleanup, exec, type Namespace, uniqueTag, until } from '@sallyport/testkit';
import { memoryFolder, type Suite, unpackSystem } from './fixtures.ts';
import { BareHost } from './host.ts';

/**
 * Makes the folder the root of everything, and starts systemd. Its namespaces hold processes, mounts and control groups of
 * their own. It gets the devices that a container has, and `/dev/net/tun`.
 */
const boot = `
set -eu
cd "$1"
mount --make-rprivate /
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/net dev/shm dev/pts
for one in null zero full random urandom tty net/tun; do touch dev/$one && mount --bind /dev/$one dev/$one; done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mkdir -p tmp/outside
pivot_root . tmp/outside
umount --lazy /tmp/outside
rmdir /tmp/outside
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
`;

/** Boots a bare Debian system with its own systemd, in a network namespace. It ends with the cleanup, or with this process. */
export async function bootMachine(suite: Suite, namespace: Namespace, cleanup: Cleanup): Promise<BareHost> {
  const folder = await memoryFolder('2g', cleanup);
  await unpackSystem(suite, folder);
  const group = await controlGroup(cleanup);
  const enterGroup = 'echo 0 >"$0/cgroup.procs"; exec "$@"';
  const apart = ['unshare', '--mount', '--pid', '--uts', '--ipc', '--cgroup', '--fork', '--kill-child'];
  const command = [
    'setpriv',
    '--pdeathsig',
    'KILL',
    'sh',
    '-c',
    enterGroup,
    group,
    ...apart,
    'sh',
    '-c',
    boot,
    'sh',
    folder,
  ];
  cleanup.check();
  const child = spawn('ip', ['netns', 'exec', namespace.name, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (said += data));
  const ended = new Promise((resolve) => child.once('close', resolve));
  cleanup.add(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const init = await until('the first process', () => {
    if (child.exitCode !== null) throw new Error(`the machine did not boot: ${said}`);
    return readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim() || null;
  });
  const host = new BareHost(folder, (user) => entrance(init, user), cleanup);
  // One unit may fail: a machine cannot load modules for the kernel below.
  const state = () => host.run('systemctl is-system-running || true');
  await until('the machine to boot', async () => /^(running|degraded)$/m.test(await state())).catch((error) => {
    throw new Error(`${(error as Error).message}; it said:\n${said}`, { cause: (error as Error).cause });
  });
  return host;
}

const entrance = (init: string, user: string): readonly [string, ...string[]] => {
  const inside = [
    '--target',
    init,
    '--mount',
    '--pid',
    '--uts',
    '--ipc',
    '--net',
    '--cgroup',
    '--root',
    '--wd',
  ] as const;
  return user === 'root' ? ['nsenter', ...inside] : ['nsenter', ...inside, 'chroot', `--userspec=${user}`, '/'];
};

/** Makes a control group of a machine, in a hierarchy that only this process sees. */
async function controlGroup(cleanup: Cleanup): Promise<string> {
  const hierarchy = join(await memoryFolder('1m', cleanup), 'groups');
  mkdirSync(hierarchy);
  await exec('mount', ['-t', 'cgroup2', 'cgroup2', hierarchy]);
  const group = join(hierarchy, `sallyport-${uniqueTag()}`);
  mkdirSync(group);
  cleanup.add(async () => {
    await until('the end of all processes', async () => {
      await exec('find', [group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';']).catch(() => undefined);
      try {
        rmdirSync(group);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
      return true;
    });
  });
  return group;
}
