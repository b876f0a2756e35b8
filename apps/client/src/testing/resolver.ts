import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { exec, type Namespace, whyNoNamespaces } from '@sallyport/testkit';
import type { World } from './world.ts';

const hasResolver = await exec('dnsmasq', ['--version']).then(
  () => true,
  () => false,
);
/** Why tests with a real resolver cannot run here; false: they can. */
export const skip = whyNoNamespaces() ?? (hasResolver ? false : 'needs dnsmasq');

/**
 * Runs a resolver with a few names in a namespace. It says that `localhost` does not exist, as our gateways do. `all`: the
 * address that it gives to every other name. Returns how to stop it.
 */
export async function startResolver(
  t: TestContext,
  { name }: Pick<Namespace, 'name'>,
  address: string,
  hosts: readonly string[],
  all: string | null = null,
): Promise<() => Promise<void>> {
  const others = all === null ? [] : [`--address=/#/${all}`];
  const records = [...hosts.map((host) => `--host-record=${host}`), '--local=/localhost/', ...others];
  const where = [`--listen-address=${address}`, '--bind-interfaces', '--user=root', '--pid-file=', '--no-hosts'];
  const args = ['netns', 'exec', name, 'dnsmasq', '--keep-in-foreground', '--no-resolv', ...where, ...records];
  const child: ChildProcess = spawn('ip', args, { stdio: 'ignore' });
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  t.after(stop);
  return stop;
}

/** Gives the device a `resolv.conf` of its own. Returns its path. */
export async function ownResolvConf(world: World, text: string): Promise<string> {
  const { namespace } = world.device;
  const folder = join('/etc/netns', namespace.name);
  const file = join(folder, 'resolv.conf');
  world.cleanup.add(() => rm(folder, { recursive: true, force: true }));
  await mkdir(folder, { recursive: true });
  await writeFile(file, text);
  assert.equal(await namespace.exec('cat', '/etc/resolv.conf'), text, 'not the file of this machine');
  return file;
}
