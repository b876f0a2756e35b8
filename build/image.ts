import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { version } from '@sallyport/program/place';
import type { Processor } from '@sallyport/release';
import { folderEntries, type TarInput, writeTar } from '@sallyport/release/tar';
import { type DebianPackage, debianPackage, withUnpacked } from './debian.ts';

/** Returns the file name of the image of the controller. */
export const imageName = (processor: Processor): string => `sallyport-${version}-linux-${processor}.oci.tar`;

/** The libraries of Node.js. Nothing else of Debian is in the image: no shell, no package manager. */
const libraries: readonly DebianPackage[] = [
  {
    name: 'libc6',
    version: '2.41-12+deb13u5',
    digests: {
      amd64: 'b59b0625cd1a791375d40dab23a4d5d3d0641e3d0a773501becdc3725b7f99cf',
      arm64: '0966fc3da1a26cc57647c68b5736f791b6e7eb498173a7993f63b6c89b4ed4f5',
    },
  },
  {
    name: 'libgcc-s1',
    version: '14.2.0-19',
    digests: {
      amd64: '3c71917b490d1a17aed43196a2787a256ecf060526cdb20216a74bedc061b150',
      arm64: '1108bc87879833d6d9a145f22a4a15cddb34e065b4b5f4b97bee586adbac2851',
    },
  },
  {
    name: 'libstdc++6',
    version: '14.2.0-19',
    digests: {
      amd64: 'ab1fa05837aa7a92aae748fd07a18a35f7d18bb4a71c4724fe2bbf0e32089de0',
      arm64: '6669b0c52a2e7c6af9adfdabce3ff6e286065cdfbc7b85280862b5f799daebee',
    },
  },
  {
    name: 'gcc-14-base',
    version: '14.2.0-19',
    digests: {
      amd64: '5b6825de4263824b78c4c51f6476414f3b4e89c2ab63e81dc8b9b5501e867cf6',
      arm64: '34ee90679b018c0e64234747a4c4c0ae6b7f63541115037465a8627c2dfbc594',
    },
  },
];

/** User of the image, without a name on the host. */
const user = 65532;
const home = 'usr/lib/sallyport';
const data = 'var/lib/sallyport';

/** What an image is made of. */
export interface ImageInput {
  /** Folder of the package. */
  readonly folder: string;
  readonly processor: Processor;
  /** Time of everything in it, in epoch seconds. */
  readonly at: number;
}

/** Writes the image of the controller as an archive in the OCI image layout. Equal input gives equal bytes. */
export async function writeImage(file: string, input: ImageInput & { readonly cache: string }): Promise<void> {
  const { processor, cache } = input;
  const debs = await Promise.all(libraries.map((library) => debianPackage(library, processor, cache)));
  await withUnpacked(debs, (system) => writeImageOn(system, file, input));
}

/** Writes the image with the libraries of `system`, a folder of unpacked Debian packages. */
export async function writeImageOn(system: string, file: string, { folder, processor, at }: ImageInput): Promise<void> {
  const base = await layer([...systemEntries(system), ...ownEntries(system)], at);
  const program = await layer([...parentsOf(home), ...folderEntries(folder, home)], at);
  await writeFile(file, await bytesOf(layoutEntries([base, program], processor, at), at));
}

interface Layer {
  readonly blob: Buffer;
  /** Digest of the layer before it was compressed. */
  readonly plain: string;
}

async function layer(entries: readonly TarInput[], at: number): Promise<Layer> {
  const sorted = [...new Map(entries.map((entry) => [entry.path, entry])).values()];
  const plain = await bytesOf(
    sorted.sort((a, b) => (a.path < b.path ? -1 : 1)),
    at,
  );
  return { blob: gzipSync(plain), plain: digestOf(plain) };
}

async function bytesOf(entries: readonly TarInput[], at: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of writeTar(entries, at)) parts.push(part);
  return Buffer.concat(parts);
}

/** Files, folders and links of unpacked packages. Of the documentation, only licences. */
function systemEntries(system: string, path = ''): TarInput[] {
  return readdirSync(join(system, path), { withFileTypes: true }).flatMap(({ name }): TarInput[] => {
    const child = path === '' ? name : `${path}/${name}`;
    if (/^usr\/share\/(lintian|man|locale)$/.test(child)) return [];
    if (/^usr\/share\/doc\/[^/]+\/(?!copyright$)/.test(child)) return [];
    const stats = lstatSync(join(system, child));
    if (stats.isSymbolicLink())
      return [{ path: child, mode: 0o777, holds: { link: readlinkSync(join(system, child)) } }];
    if (stats.isDirectory()) return [{ path: child, mode: 0o755, holds: 'folder' }, ...systemEntries(system, child)];
    const mode = (stats.mode & 0o100) === 0 ? 0o644 : 0o755;
    return [{ path: child, mode, holds: { file: join(system, child), size: stats.size } }];
  });
}

/** What an image needs besides packages: links to `usr`, the user, and places to write. */
function ownEntries(system: string): TarInput[] {
  const links = ['lib', 'lib64'].filter((name) => existsSync(join(system, 'usr', name)));
  const text = (path: string, content: string): TarInput => ({ path, mode: 0o644, holds: Buffer.from(content) });
  return [
    ...links.map((name): TarInput => ({ path: name, mode: 0o777, holds: { link: `usr/${name}` } })),
    ...parentsOf(data),
    { path: 'etc', mode: 0o755, holds: 'folder' },
    text('etc/passwd', `root:x:0:0:root:/:/nologin\nsallyport:x:${user}:${user}::/${data}:/nologin\n`),
    text('etc/group', `root:x:0:\nsallyport:x:${user}:\n`),
    text('etc/nsswitch.conf', 'hosts: files dns\n'),
    { path: 'tmp', mode: 0o1777, holds: 'folder' },
    { path: data, mode: 0o700, uid: user, gid: user, holds: 'folder' },
  ];
}

function parentsOf(path: string): TarInput[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => ({ path: parts.slice(0, index + 1).join('/'), mode: 0o755, holds: 'folder' }));
}

const media = 'application/vnd.oci.image';

/** Files of the image layout: https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
function layoutEntries(layers: readonly Layer[], processor: Processor, at: number): TarInput[] {
  const config = json(configOf(layers, processor, at));
  const manifest = json({
    schemaVersion: 2,
    mediaType: `${media}.manifest.v1+json`,
    config: descriptor(config, 'config.v1+json'),
    layers: layers.map(({ blob }) => descriptor(blob, 'layer.v1.tar+gzip')),
  });
  const name = { 'org.opencontainers.image.ref.name': version, 'io.containerd.image.name': `sallyport:${version}` };
  const index = {
    schemaVersion: 2,
    mediaType: `${media}.index.v1+json`,
    manifests: [{ ...descriptor(manifest, 'manifest.v1+json'), annotations: name }],
  };
  const blobs = [config, manifest, ...layers.map(({ blob }) => blob)].map((blob): TarInput => {
    return { path: `blobs/sha256/${digestOf(blob).slice('sha256:'.length)}`, mode: 0o644, holds: blob };
  });
  return [
    { path: 'blobs', mode: 0o755, holds: 'folder' },
    { path: 'blobs/sha256', mode: 0o755, holds: 'folder' },
    ...blobs.sort((a, b) => (a.path < b.path ? -1 : 1)),
    { path: 'index.json', mode: 0o644, holds: json(index) },
    { path: 'oci-layout', mode: 0o644, holds: json({ imageLayoutVersion: '1.0.0' }) },
  ];
}

function configOf(layers: readonly Layer[], processor: Processor, at: number): object {
  const created = new Date(at * 1000).toISOString();
  return {
    created,
    architecture: processor,
    os: 'linux',
    config: {
      User: `${user}:${user}`,
      Env: [
        `PATH=/${home}/bin`,
        `SALLYPORT_DATA_DIR=/${data}`,
        'SALLYPORT_LISTEN=0.0.0.0:8080',
        'SALLYPORT_LOCAL_GATEWAY=off',
      ],
      Entrypoint: [`/${home}/bin/node`, `/${home}/programs/controller.js`],
      ExposedPorts: { '8080/tcp': {}, '51818/udp': {}, '51819/udp': {} },
      Volumes: { [`/${data}`]: {} },
      WorkingDir: '/',
      Labels: { 'org.opencontainers.image.title': 'sallyport', 'org.opencontainers.image.version': version },
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ plain }) => plain) },
    history: layers.map(() => ({ created, created_by: 'npm run build' })),
  };
}

const json = (value: object): Buffer => Buffer.from(`${JSON.stringify(value)}\n`);
const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const descriptor = (blob: Buffer, type: string) => ({
  mediaType: `${media}.${type}`,
  digest: digestOf(blob),
  size: blob.length,
});
