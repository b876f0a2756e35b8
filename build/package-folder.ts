import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '@sallyport/program/place';
import { releaseKeyFile } from '@sallyport/release';
import { writeBundle } from './bundle.ts';
import { placeNode } from './node-program.ts';
import { billOfMaterials, noticesText, readLibraries } from './notices.ts';
import type { BuildOptions } from './options.ts';
import { placeWireGuardGo } from './wireguard-go.ts';

/**
 * Makes the folder of a package. It takes the place of an older one once it is whole.
 *
 * @param trusted public release keys in PEM; empty for none
 */
export async function buildFolder(folder: string, options: BuildOptions, trusted: string): Promise<void> {
  const made = `${folder}.partial`;
  rmSync(made, { recursive: true, force: true });
  mkdirSync(join(made, 'bin'), { recursive: true });
  try {
    await fillFolder(made, options);
    if (trusted !== '') writeFileSync(join(made, releaseKeyFile), trusted);
    rmSync(folder, { recursive: true, force: true });
    renameSync(made, folder);
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

async function fillFolder(made: string, { processor, cache, wireguardGo }: BuildOptions): Promise<void> {
  const node = await placeNode(processor, join(made, 'bin/node'), cache);
  const tunnel = wireguardGo ? await placeWireGuardGo(processor, join(made, 'bin/wireguard-go'), cache) : null;
  const { libraries: folders } = await writeBundle(made);
  const libraries = readLibraries(folders);
  cpSync(join(root, 'bin/sally'), join(made, 'bin/sally'));
  cpSync(join(root, 'LICENSE'), join(made, 'LICENSE'));
  for (const name of ['install', 'openrc', 'systemd'])
    cpSync(join(root, 'deploy', name), join(made, 'deploy', name), { recursive: true });
  writeFileSync(join(made, 'NOTICES.txt'), noticesText(libraries, node, tunnel));
  writeFileSync(join(made, 'sbom.json'), `${JSON.stringify(billOfMaterials(libraries, node, tunnel), null, 1)}\n`);
}
