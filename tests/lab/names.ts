import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StateItem } from '@sallyport/contract/channel';
import { exec } from '@sallyport/testkit';
import type { World } from './world.ts';

/** Whether dnsmasq is installed. */
export const hasDnsmasq: boolean = await exec('dnsmasq', ['--version']).then(
  () => true,
  () => false,
);

/** Gives the programs of a namespace files of their own in `/etc`, by name. */
export async function configure<Place extends string>(
  world: World<Place>,
  place: Place,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const folder = join('/etc/netns', world.space(place).name);
  world.cleanup.add(() => rm(folder, { recursive: true, force: true }));
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text);
    assert.equal(await world.space(place).exec('cat', join('/etc', name)), text);
  }
}

/**
 * Runs a real resolver at an address of a namespace. `records`: as in `--host-record` of dnsmasq. Other names of `zones` do
 * not exist.
 */
export async function startDnsmasq<Place extends string>(
  world: World<Place>,
  place: Place,
  address: string,
  records: readonly string[],
  zones: readonly string[] = [],
): Promise<void> {
  const where = [`--listen-address=${address}`, '--bind-interfaces', '--user=root', '--pid-file=', '--no-hosts'];
  const hosts = [...records.map((record) => `--host-record=${record}`), ...zones.map((zone) => `--local=/${zone}/`)];
  const args = ['netns', 'exec', world.space(place).name, 'dnsmasq', '--keep-in-foreground', '--no-resolv'];
  const child: ChildProcess = spawn('ip', [...args, ...where, ...hosts], { stdio: 'ignore' });
  world.cleanup.add(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
}

/** Returns the virtual addresses of the names that a gateway has been told, IPv4 then IPv6. */
export async function virtualAddressesAt(stateDir: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const text = await readFile(join(stateDir, 'state.json'), 'utf8');
  const { items } = (JSON.parse(text) as { snapshot: { items: readonly StateItem[] } }).snapshot;
  return new Map(items.flatMap((item) => (item.kind === 'name' ? [[item.id, item.addresses] as const] : [])));
}
