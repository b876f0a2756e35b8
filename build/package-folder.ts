import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '@sallyport/program/place';
import { releaseKeyFile } from '@sallyport/release';
import { writeBundle } from './bundle.ts';
import type { Document } from './man.ts';
import { placeNode } from './node-program.ts';
import { billOfMaterials, noticesText, readLibraries } from './notices.ts';
import type { BuildOptions } from './options.ts';
import { placeWireGuardGo } from './wireguard-go.ts';

/** What the folder of a package is made of. */
export interface FolderInput {
  readonly options: BuildOptions;
  /** Public release keys in PEM; empty for none. */
  readonly trusted: string;
  /** Manual pages and completions. */
  readonly documents: readonly Document[];
}

/** Makes the folder of a package. It takes the place of an older one once it is whole. */
export async function buildFolder(folder: string, { options, trusted, documents }: FolderInput): Promise<void> {
  const made = `${folder}.partial`;
  rmSync(made, { recursive: true, force: true });
  mkdirSync(join(made, 'bin'), { recursive: true });
  try {
    await fillFolder(made, options);
    for (const document of documents) placeDocument(join(made, 'share'), document);
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

/** Below `/usr/local/share`, zsh looks into another folder than below Debian's `/usr/share`. */
function placeDocument(folder: string, { path, text }: Document): void {
  const file = join(folder, path.replace('zsh/vendor-completions', 'zsh/site-functions'));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
