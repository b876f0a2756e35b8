import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { hostname, release } from 'node:os';
import { basename, join } from 'node:path';
import { type BlockDevice, isEncrypted, rootMount } from './disk.ts';
import { endsClosed, inputChains, isFirewalled } from './firewall.ts';
import { distributionOf } from './os-release.ts';
import { enforcedScreenLock } from './screen-lock.ts';

/** Facts about this machine, as rules about devices read them. */
export type Facts = Readonly<Record<string, string | number | boolean | null>>;

/** Reads the current facts about this machine. Facts that cannot be determined are omitted; no fact is a guess. */
export async function readPosture(agentVersion: string): Promise<Facts> {
  const [release, diskEncrypted, firewallEnabled, screenLock] = await Promise.all([
    osRelease(),
    rootEncrypted(),
    firewalled(),
    screenLocked(),
  ]);
  return {
    os: 'linux',
    ...distributionOf(release),
    kernel: kernelRelease(),
    hostname: hostname(),
    agentVersion,
    ...(diskEncrypted !== null && { diskEncrypted }),
    ...(firewallEnabled !== null && { firewallEnabled }),
    ...(screenLock !== null && { screenLock }),
  };
}

const kernelRelease = release;

async function osRelease(): Promise<string> {
  return (await text('/etc/os-release')) ?? (await text('/usr/lib/os-release')) ?? '';
}

async function rootEncrypted(): Promise<boolean | null> {
  const mount = rootMount((await text('/proc/self/mountinfo')) ?? '');
  if (mount === null) return null;
  const link = mount.device === null ? await deviceFile(mount.source) : `/sys/dev/block/${mount.device}`;
  if (link === null) return null;
  const target = await readlink(link).catch(() => null);
  return target === null ? null : isEncrypted(await blockDevice(basename(target), 0));
}

/** Returns the `/sys/class/block/…` path of a device file, through the names that udev gives. */
async function deviceFile(source: string): Promise<string | null> {
  if (!source.startsWith('/dev/')) return null;
  const target = await readlink(source).catch(() => source);
  return `/sys/class/block/${basename(target)}`;
}

async function blockDevice(name: string, depth: number): Promise<BlockDevice> {
  const path = `/sys/class/block/${name}`;
  const uuid = (await text(`${path}/dm/uuid`))?.trim() ?? null;
  const below = depth < deepestStack ? await readdir(`${path}/slaves`).catch(() => []) : [];
  return { name, uuid, slaves: await Promise.all(below.map((slave) => blockDevice(slave, depth + 1))) };
}

const deepestStack = 16;

async function firewalled(): Promise<boolean | null> {
  // nft does not show chains of the older iptables. The state is then unknown, unless the visible chains suffice.
  const legacy = [await text('/proc/net/ip_tables_names'), await text('/proc/net/ip6_tables_names')].join('').trim();
  const chains = inputChains((await nft('list', 'chains')) ?? '');
  if (chains === null) return null;
  const open = chains.filter(({ policy }) => policy !== 'drop');
  const texts = await Promise.all(
    open.map(async (chain) => [chain, await nft('list', 'chain', chain.family, chain.table, chain.name)] as const),
  );
  const closed = chains.filter((chain) => !open.includes(chain));
  const ending = texts.filter(([, text]) => text !== null && endsClosed(text)).map(([chain]) => chain);
  const enabled = isFirewalled([...closed, ...ending], await hasIpv6());
  return enabled || legacy === '' ? enabled : null;
}

/**
 * Returns whether an address is valid beyond the machine and its links (scope 0x20 is a link's, 0x10 the machine's).
 */
async function hasIpv6(): Promise<boolean> {
  const lines = ((await text('/proc/net/if_inet6')) ?? '').trim().split('\n');
  return lines.some((line) => line.trim().split(/\s+/)[3] === '00');
}

async function screenLocked(): Promise<boolean | null> {
  const folders = (await readdir('/etc/dconf/db').catch(() => [])).filter((name) => name.endsWith('.d')).sort();
  for (const folder of folders) {
    const [keyfiles, locks] = await Promise.all([
      texts(join('/etc/dconf/db', folder)),
      texts(join('/etc/dconf/db', folder, 'locks')),
    ]);
    const lock = enforcedScreenLock(keyfiles, locks);
    if (lock !== null) return lock;
  }
  return null;
}

async function texts(folder: string): Promise<string[]> {
  const names = (await readdir(folder).catch(() => [])).sort();
  const found = await Promise.all(names.map((name) => text(join(folder, name))));
  return found.filter((content) => content !== null);
}

function text(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}

/** Runs nft; null when it is missing or not permitted. */
function nft(...args: string[]): Promise<string | null> {
  return new Promise((resolve) => {
    const options = { env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin', LC_ALL: 'C' }, timeout: 5_000, maxBuffer: 8 << 20 };
    execFile('nft', ['-j', ...args], options, (error, stdout) => resolve(error === null ? stdout : null));
  });
}
