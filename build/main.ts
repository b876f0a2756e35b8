import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root, version } from '@sallyport/program/place';
import { packArchive, sha256Of } from './archive.ts';
import { writeBundle } from './bundle.ts';
import { billOfMaterials, noticesText, readLibraries } from './notices.ts';

const help = `npm run build [-- OPTIONS]

Builds the package of this processor: one folder with controller, gateway, client, command line, console and Node.js. It
runs on any Linux with glibc 2.28 or later, without npm. Two builds of the same source are equal byte for byte.

  --out DIR      folder of the results (default build/out)
  --no-archive   only the folder, not the .tar.xz
`;

const processors: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { out: { type: 'string' }, help: { type: 'boolean' }, archive: { type: 'boolean', default: true } },
    allowNegative: true,
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const processor = processors[process.arch];
  if (process.platform !== 'linux' || processor === undefined)
    throw new Error(`packages are for Linux on amd64 and arm64, not for ${process.platform} on ${process.arch}`);
  const out = resolve(values.out ?? join(root, 'build/out'));
  const name = `sallyport-${version}-linux-${processor}`;
  await buildFolder(join(out, name));
  console.log(join(out, name));
  if (values.archive) await buildArchive(out, name);
  return 0;
}

/** The folder takes the place of an older one once it is whole. */
async function buildFolder(folder: string): Promise<void> {
  const made = `${folder}.partial`;
  rmSync(made, { recursive: true, force: true });
  mkdirSync(join(made, 'bin'), { recursive: true });
  try {
    const { libraries: folders } = await writeBundle(made);
    const libraries = readLibraries(folders);
    const node = join(root, 'node_modules', `node-linux-${process.arch}`);
    cpSync(join(node, 'bin/node'), join(made, 'bin/node'));
    cpSync(join(root, 'bin/sally'), join(made, 'bin/sally'));
    cpSync(join(root, 'LICENSE'), join(made, 'LICENSE'));
    for (const name of ['install', 'openrc', 'systemd'])
      cpSync(join(root, 'deploy', name), join(made, 'deploy', name), { recursive: true });
    const notices = `${noticesText(libraries)}\nNode.js ${process.versions.node}\n\n${readFileSync(join(node, 'LICENSE'), 'utf8')}`;
    writeFileSync(join(made, 'NOTICES.txt'), notices);
    writeFileSync(
      join(made, 'sbom.json'),
      `${JSON.stringify(billOfMaterials(libraries, process.versions.node), null, 1)}\n`,
    );
    rmSync(folder, { recursive: true, force: true });
    renameSync(made, folder);
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

async function buildArchive(out: string, name: string): Promise<void> {
  const file = `${name}.tar.xz`;
  await packArchive(out, name, join(out, file), releaseTime());
  writeFileSync(join(out, 'SHA256SUMS'), `${await sha256Of(join(out, file))}  ${file}\n`);
  console.log(`${join(out, file)}\n${join(out, 'SHA256SUMS')}`);
}

/** Epoch seconds of the date that the changelog gives this version. */
function releaseTime(): number {
  const text = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
  const date = new RegExp(`^## ${version.replaceAll('.', '\\.')} \\((\\d{4}-\\d{2}-\\d{2})\\)$`, 'm').exec(text)?.[1];
  if (date === undefined) throw new Error(`CHANGELOG.md has no date for version ${version}`);
  return Date.parse(date) / 1000;
}

process.exitCode = await main();
