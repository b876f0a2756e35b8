import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Processor } from '@sallyport/release';
import { type Download, fromCache, runTool } from './downloads.ts';

/** Debian's package of wireguard-go that goes into ours. Its program needs glibc 2.34 or later. */
const pinned = {
  suite: 'trixie',
  version: '0.0.20231211-1+b9',
  digests: {
    amd64: 'cce54ea802611a45d07d1053ff285ea9f1a8f15499f3b86ccd8edd2b81ed7f7e',
    arm64: 'fcb53fa683ea8d0640e675e9168fa4e4347ceb1abfaecc85edaf6ed06ee9b09a',
  },
} as const;

/** What a package takes from wireguard-go. */
export interface WireGuardGo {
  readonly version: string;
  /** Debian's text about the licence. */
  readonly licence: string;
  /** Go and its libraries in the program, with their versions in Debian: `golang-go.crypto`, `1:0.25.0-1`. */
  readonly builtUsing: readonly { readonly name: string; readonly version: string }[];
}

/** Copies wireguard-go for a processor to `program`. */
export async function placeWireGuardGo(processor: Processor, program: string, cache: string): Promise<WireGuardGo> {
  const deb = await fromCache(cache, wireGuardGoDownload(processor));
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-wireguard-go-'));
  try {
    await runTool('dpkg-deb', ['--extract', deb, folder], folder);
    mkdirSync(join(program, '..'), { recursive: true });
    cpSync(join(folder, 'usr/bin/wireguard-go'), program);
    const licence = readFileSync(join(folder, 'usr/share/doc/wireguard-go/copyright'), 'utf8');
    const used = await runTool('dpkg-deb', ['--field', deb, 'Built-Using'], folder);
    const builtUsing = [...used.matchAll(/(\S+) \(= (\S+)\)/g)].map(([, name = '', version = '']) => ({
      name,
      version,
    }));
    return { version: pinned.version, licence, builtUsing };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function wireGuardGoDownload(processor: Processor): Download {
  return {
    file: `wireguard-go_${pinned.version}_${processor}.deb`,
    algorithm: 'sha256',
    digest: pinned.digests[processor],
    fetch: (folder) => fetchWithApt(folder, processor),
    advice:
      'Use a Debian machine with a network, or put the file into the folder of --cache, or leave it out with ' +
      '--no-wireguard-go. When Debian has a newer build, build/wireguard-go.ts needs its version and SHA-256.',
  };
}

/** Downloads by apt, which checks Debian's signature. Lists and sources lie in the folder: the machine's stay as they are. */
async function fetchWithApt(folder: string, processor: Processor): Promise<string> {
  for (const name of ['lists/partial', 'cache/archives/partial', 'deb'])
    mkdirSync(join(folder, name), { recursive: true });
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
  writeFileSync(
    join(folder, 'apt.list'),
    `deb [signed-by=${keys}] ${await debianMirror(folder)} ${pinned.suite} main\n`,
  );
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
  await runTool('apt-get', [...settings, '-qq', 'download', `wireguard-go=${pinned.version}`], join(folder, 'deb'));
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
