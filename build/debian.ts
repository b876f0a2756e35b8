import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Processor } from '@sallyport/release';
import { fromCache, runTool } from './downloads.ts';

/** A package of Debian, with the SHA-256 of its file for each processor. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly digests: Readonly<Record<Processor, string>>;
}

const suite = 'trixie';

/** Returns the file of a package. It is downloaded once, and compared with the expected hash. */
export function debianPackage(found: DebianPackage, processor: Processor, cache: string): Promise<string> {
  return fromCache(cache, {
    file: `${found.name}_${found.version}_${processor}.deb`,
    algorithm: 'sha256',
    digest: found.digests[processor],
    fetch: (folder) => fetchWithApt(folder, found, processor),
    advice:
      `Use a Debian machine with a network, or put the file into the folder of --cache. See --help for what can be left ` +
      `out. When Debian has a newer build of ${found.name}, its version and SHA-256 belong into the folder build.`,
  });
}

/** Unpacks packages into a folder of its own, and calls `use` with it. The folder ends with the call. */
export async function withUnpacked<T>(files: readonly string[], use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-debian-'));
  try {
    for (const file of files) await runTool('dpkg-deb', ['--extract', file, folder], folder);
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Downloads by apt, which checks Debian's signature. Lists and sources lie in the folder: the machine's stay as they are. */
async function fetchWithApt(folder: string, { name, version }: DebianPackage, processor: Processor): Promise<string> {
  for (const part of ['lists/partial', 'cache/archives/partial', 'deb'])
    mkdirSync(join(folder, part), { recursive: true });
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
  writeFileSync(join(folder, 'apt.list'), `deb [signed-by=${keys}] ${await debianMirror(folder)} ${suite} main\n`);
  const options = {
    'Dir::Etc::SourceList': join(folder, 'apt.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::Cache': join(folder, 'cache'),
    'APT::Architecture': processor,
    'APT::Architectures': processor,
    'APT::Sandbox::User': 'root',
    'Acquire::Retries': '1',
    'Acquire::http::Timeout': '20',
  };
  const settings = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  await runTool('apt-get', [...settings, '-qq', 'update'], folder);
  await runTool('apt-get', [...settings, '-qq', 'download', `${name}=${version}`], join(folder, 'deb'));
  const [file] = readdirSync(join(folder, 'deb'));
  if (file === undefined) throw new Error('apt-get downloaded nothing');
  return join(folder, 'deb', file);
}

/** The mirror that this machine takes Debian from. */
async function debianMirror(folder: string): Promise<string> {
  const args = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Origin: Debian', 'Component: main'];
  const found = await runTool('apt-get', args, folder).catch(() => '');
  const mirrors = found.split('\n').filter((uri) => /\/debian\/?$/.test(uri));
  return mirrors[0] ?? 'http://deb.debian.org/debian';
}
