import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { packagedReleaseFolder, root } from '@sallyport/program/place';
import type { Processor } from '@sallyport/release';
import { folderEntries, type TarInput, writeTar } from '@sallyport/release/tar';
import { type Document, zipped } from './man.ts';

/** Returns the file name of the Debian package. */
export const debName = (version: string, processor: Processor): string => `sallyport_${version}_${processor}.deb`;

const home = 'usr/lib/sallyport';

/** Programs that a gateway or device calls, the names of protocols that they know, and the libraries of Node.js. */
const programs = 'iproute2, netbase, nftables, passwd, wireguard-tools, xz-utils';
const depends = `libc6 (>= 2.34), libgcc-s1, libstdc++6 (>= 9), ${programs}`;

/** What a Debian package is made of. */
export interface DebInput {
  /** Folder of the package. */
  readonly folder: string;
  readonly version: string;
  readonly processor: Processor;
  /** Time of everything in it, in epoch seconds. */
  readonly at: number;
  /** Manual pages and completions. */
  readonly documents: readonly Document[];
}

/**
 * Writes a Debian package. Equal input gives equal bytes. It installs on Debian 12 or later and on Ubuntu 22.04 or later.
 */
export async function writeDeb(file: string, input: DebInput): Promise<void> {
  const { folder, at, documents } = input;
  const data = debData(folder, documents);
  const members = [
    { name: 'debian-binary', content: Buffer.from('2.0\n') },
    { name: 'control.tar.zst', content: await packed(await controlEntries(data, input), at) },
    { name: 'data.tar.zst', content: await packed(data, at) },
  ];
  const parts = members.flatMap(({ name, content }) => [
    arHeader(name, content.length, at),
    content,
    Buffer.alloc(content.length & 1, '\n'),
  ]);
  writeFileSync(file, Buffer.concat([Buffer.from('!<arch>\n'), ...parts]));
}

function arHeader(name: string, size: number, at: number): Buffer {
  const fields = [name.padEnd(16), String(at).padEnd(12), '0'.padEnd(6), '0'.padEnd(6), '100644'.padEnd(8)];
  return Buffer.from(`${fields.join('')}${String(size).padEnd(10)}\`\n`);
}

async function packed(entries: readonly TarInput[], at: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  const zstd = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 12 } });
  await pipeline(writeTar(entries, at), zstd, async (source) => {
    for await (const part of source) parts.push(part);
  });
  return Buffer.concat(parts);
}

/** Returns what the package puts on a host, in the order of the paths. */
function debData(folder: string, documents: readonly Document[]): TarInput[] {
  const files: TarInput[] = [
    // Manual pages and completions have other places here.
    ...folderEntries(folder, home).filter(({ path }) => !`${path}/`.startsWith(`${home}/share/`)),
    ...units(),
    ...[...documents, ...legalDocuments()].map(({ path, text }) => fileEntry(`usr/share/${path}`, text)),
    { path: 'usr/bin/sally', mode: 0o777, holds: { link: '../lib/sallyport/bin/sally' } },
    { path: 'etc/sallyport', mode: 0o755, holds: 'folder' },
    { path: packagedReleaseFolder.slice(1), mode: 0o755, holds: 'folder' },
  ];
  return withParents(files).map((entry) => ({ ...entry, path: entry.path === '.' ? '.' : `./${entry.path}` }));
}

const fileEntry = (path: string, content: string | Buffer): TarInput => ({
  path,
  mode: 0o644,
  holds: Buffer.from(content),
});

function legalDocuments(): Document[] {
  const licence = `Sallyport\n\n${readFileSync(join(root, 'LICENSE'), 'utf8')}`;
  const changes = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
  return [
    { path: 'doc/sallyport/copyright', text: `${licence}\nThe parts by others: /${home}/NOTICES.txt\n` },
    zipped({ path: 'doc/sallyport/changelog', text: changes }),
  ];
}

/** The units, with the program in `/usr/bin`. */
function units(): TarInput[] {
  const folder = join(root, 'deploy/systemd');
  return readdirSync(folder)
    .sort()
    .map((name) => fileEntry(`usr/lib/systemd/system/${name}`, unitText(readFileSync(join(folder, name), 'utf8'))));
}

/** The comment at the top explains an installation by hand. */
const unitText = (text: string): string =>
  text
    .slice(Math.max(0, text.indexOf('[Unit]')))
    .replaceAll('/usr/local/bin/sally', '/usr/bin/sally')
    .replaceAll('/opt/sallyport/current/bin/sally', '/usr/bin/sally');

/** Adds the folders of all entries. A folder comes before what it holds. */
function withParents(entries: readonly TarInput[]): TarInput[] {
  const all = new Map<string, TarInput>([['.', { path: '.', mode: 0o755, holds: 'folder' }]]);
  for (const entry of entries) {
    for (let at = entry.path.indexOf('/'); at > 0; at = entry.path.indexOf('/', at + 1)) {
      const path = entry.path.slice(0, at);
      if (!all.has(path)) all.set(path, { path, mode: 0o755, holds: 'folder' });
    }
    all.set(entry.path, entry);
  }
  return [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function controlEntries(data: readonly TarInput[], input: DebInput): Promise<TarInput[]> {
  const scripts = ['preinst', 'postinst', 'prerm', 'postrm'].map(
    (name): TarInput => ({
      path: `./${name}`,
      mode: 0o755,
      holds: readFileSync(join(root, 'deploy/debian', name)),
    }),
  );
  return [
    { path: '.', mode: 0o755, holds: 'folder' },
    fileEntry('./control', controlText(data, input)),
    fileEntry('./md5sums', await sumsText(data)),
    ...scripts,
  ];
}

function controlText(data: readonly TarInput[], { version, processor }: DebInput): string {
  const kibibytes = data.reduce((total, { holds }) => total + Math.max(1, Math.ceil(sizeOf(holds) / 1024)), 0);
  return [
    'Package: sallyport',
    `Version: ${version}`,
    `Architecture: ${processor}`,
    'Maintainer: Sallyport maintainers <maintainers@sallyport.invalid>',
    `Installed-Size: ${kibibytes}`,
    `Depends: ${depends}`,
    // Ends flows to former addresses of host names.
    'Recommends: conntrack',
    'Section: net',
    'Priority: optional',
    'Description: self-hosted zero-trust network access over WireGuard',
    ' Controller, gateway, client for Linux and command line. After the installation',
    ' nothing runs: see sally-controller(8), sally-gateway(8) and sally-up(1).',
    '',
  ].join('\n');
}

function sizeOf(holds: TarInput['holds']): number {
  if (holds instanceof Uint8Array) return holds.length;
  return typeof holds === 'object' && 'file' in holds ? holds.size : 0;
}

/** The sums that `dpkg --verify` compares. */
async function sumsText(data: readonly TarInput[]): Promise<string> {
  const lines: string[] = [];
  for (const { path, holds } of data) {
    const hash = createHash('md5');
    if (holds instanceof Uint8Array) hash.update(holds);
    else if (typeof holds === 'object' && 'file' in holds) await pipeline(createReadStream(holds.file), hash);
    else continue;
    lines.push(`${hash.digest('hex')}  ${path.slice(2)}\n`);
  }
  return lines.join('');
}
