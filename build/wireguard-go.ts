import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Processor } from '@sallyport/release';
import { type DebianPackage, debianPackage, withUnpacked } from './debian.ts';
import { runTool } from './downloads.ts';

/** Debian's package of wireguard-go that goes into ours. Its program needs glibc 2.34 or later. */
const pinned: DebianPackage = {
  name: 'wireguard-go',
  version: '0.0.20231211-1+b9',
  digests: {
    amd64: 'cce54ea802611a45d07d1053ff285ea9f1a8f15499f3b86ccd8edd2b81ed7f7e',
    arm64: 'fcb53fa683ea8d0640e675e9168fa4e4347ceb1abfaecc85edaf6ed06ee9b09a',
  },
};

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
  const deb = await debianPackage(pinned, processor, cache);
  return withUnpacked([deb], async (folder) => {
    mkdirSync(join(program, '..'), { recursive: true });
    cpSync(join(folder, 'usr/bin/wireguard-go'), program);
    const licence = readFileSync(join(folder, 'usr/share/doc/wireguard-go/copyright'), 'utf8');
    const used = await runTool('dpkg-deb', ['--field', deb, 'Built-Using'], folder);
    const builtUsing = [...used.matchAll(/(\S+) \(= (\S+)\)/g)].map(([, name = '', version = '']) => ({
      name,
      version,
    }));
    return { version: pinned.version, licence, builtUsing };
  });
}
