import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cleanup, exec } from '@sallyport/testkit';

const root = join(import.meta.dirname, '../../..');

/** Folder for what takes long to make: downloads, root file systems, one build. */
export const cacheFolder: string = process.env.SALLYPORT_PACKAGES_CACHE || join(homedir(), '.cache/sallyport-packages');

/** Debian releases on which packages are tried. */
export type Suite = 'bookworm' | 'trixie';

/** What every bare system has besides Debian's minimum: the dependencies of package and install script, and `ping`. */
const tools = 'nftables,iproute2,netbase,wireguard-tools,xz-utils,iputils-ping,curl,openssl,ca-certificates,systemd';

/** The newer one has a message bus, which systemd-run needs. */
const ownTools: Readonly<Record<Suite, string>> = { bookworm: tools, trixie: `${tools},dbus` };

/** Returns a folder with signed packages of the present source. It is built once for each state of the source. */
export function signedBuild(): Promise<string> {
  built ??= buildOnce();
  return built;
}

let built: Promise<string> | undefined;

async function buildOnce(): Promise<string> {
  const key = await releaseKeyFile();
  const builds = join(cacheFolder, 'builds');
  const folder = join(builds, await stateOfSource());
  if (existsSync(folder)) return folder;
  rmSync(builds, { recursive: true, force: true });
  const partial = join(builds, 'partial');
  const options = ['--out', partial, '--cache', join(cacheFolder, 'downloads'), '--sign', key, '--image'];
  await exec(process.execPath, [join(root, 'build/main.ts'), ...options]);
  renameSync(partial, folder);
  return folder;
}

/** Returns the private key that signs the packages of the tests. */
export async function releaseKeyFile(): Promise<string> {
  const file = join(cacheFolder, 'release-key.pem');
  if (!existsSync(file)) await exec(process.execPath, [join(root, 'build/release-key.ts'), '--out', file]);
  return file;
}

/** Name for the content of all files that git knows, and of those that it does not know yet, but those of tests and texts. */
async function stateOfSource(): Promise<string> {
  const packed = ['--', '.', ':!tests', ':!docs', ':!bench'];
  const git = (...args: string[]) => exec('git', ['-C', root, ...args, ...packed]);
  const hash = createHash('sha256');
  for (const text of [await git('ls-files', '--stage'), await git('diff'), await git('status', '--porcelain')])
    hash.update(text);
  return hash.digest('hex').slice(0, 16);
}

/** Unpacks a bare Debian system into memory. Returns its root folder, with `/proc` and `/dev`. */
export async function bareSystem(suite: Suite, cleanup: Cleanup): Promise<string> {
  const folder = await memoryFolder('1g', cleanup);
  await unpackSystem(suite, folder);
  await exec('mount', ['-t', 'proc', 'proc', join(folder, 'proc')]);
  await exec('mount', ['--rbind', '/dev', join(folder, 'dev')]);
  return folder;
}

/** Unpacks a bare Debian system into a folder. */
export async function unpackSystem(suite: Suite, folder: string): Promise<void> {
  await exec('tar', ['-xf', await systemArchive(suite), '-C', folder]);
}

/** Makes a folder in memory, of a given size. It ends with the cleanup, or with this process. */
export async function memoryFolder(size: string, cleanup: Cleanup): Promise<string> {
  if (process.env.PRIVATE_NAMESPACES_OF === undefined) throw new Error('run this with: npm run test:packages');
  cleanup.check();
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bare-'));
  await exec('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=755`, 'tmpfs', folder]);
  cleanup.add(async () => {
    await exec('mount', ['--make-rprivate', folder]);
    await exec('umount', ['--recursive', '--lazy', folder]);
    rmdirSync(folder);
  });
  return folder;
}

async function systemArchive(suite: Suite): Promise<string> {
  const file = join(cacheFolder, `${suite}-4.tar`);
  if (existsSync(file)) return file;
  mkdirSync(cacheFolder, { recursive: true });
  const partial = join(cacheFolder, `${suite}-${process.pid}.tar`);
  try {
    await exec('mmdebstrap', ['--variant=minbase', `--include=${ownTools[suite]}`, '--quiet', suite, partial]);
    renameSync(partial, file);
  } finally {
    rmSync(partial, { force: true });
  }
  return file;
}

/** Returns the paths of all files of a system, without those that Debian's own tools keep about their work. */
export function filesOf(folder: string): string[] {
  const own =
    /^(proc|dev|sys|tmp|run|var\/(log|cache|lib\/(dpkg|apt|systemd)))(\/|$)|^etc\/(passwd|group|g?shadow|sub[ug]id)-$/;
  const below = (path: string): string[] => {
    if (own.test(path)) return [];
    return readdirSync(join(folder, path), { withFileTypes: true }).flatMap((entry) => {
      const child = path === '' ? entry.name : `${path}/${entry.name}`;
      if (own.test(child)) return [];
      return entry.isDirectory() ? [child, ...below(child)] : [child];
    });
  };
  return below('').sort();
}

/** Returns every file of a system with its permissions, owner and content, but what `filesOf` leaves out. */
export function stateOf(folder: string): ReadonlyMap<string, string> {
  return new Map(filesOf(folder).map((path) => [path, describe(join(folder, path))]));
}

function describe(file: string): string {
  const stats = lstatSync(file);
  const owner = `${(stats.mode & 0o7777).toString(8)} ${stats.uid}:${stats.gid}`;
  if (stats.isSymbolicLink()) return `${owner} -> ${readlinkSync(file)}`;
  return stats.isFile() ? `${owner} ${createHash('sha256').update(readFileSync(file)).digest('hex')}` : owner;
}

/** Returns the files that were made, changed or removed between two states. */
export function differences(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .sort();
}
