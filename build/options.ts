import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '@sallyport/program/place';
import { type Processor, processors } from '@sallyport/release';

/** Text of `npm run build -- --help`. */
export const help = `npm run build [-- OPTIONS]

Builds the packages of one processor: controller, gateway, client, command line, console, Node.js and wireguard-go in one
folder. It runs on any Linux with glibc 2.34 or later, without npm. Two builds of the same source are equal byte for byte.

  --out DIR            folder of the results (default build/out)
  --arch NAME          amd64 or arm64 (default: the processor of this machine)
  --no-archive         only the folder, without manual pages and completions
  --no-deb             no Debian package
  --image              also an OCI image of the controller, which runs without root
  --sign FILE          private release key: signs SHA256SUMS, and the package trusts its public half
                       (also by SALLYPORT_SIGNING_KEY_FILE; make one with: npm run release-key)
  --release-key FILE   public release keys that the package trusts, in PEM, besides that of --sign
  --no-wireguard-go    leave wireguard-go out; the host needs its own where the kernel has no WireGuard
  --cache DIR          folder of downloads (default .cache/build)
`;

/** What a build makes. */
export interface BuildOptions {
  readonly out: string;
  readonly cache: string;
  readonly processor: Processor;
  readonly archive: boolean;
  readonly deb: boolean;
  readonly image: boolean;
  readonly wireguardGo: boolean;
  readonly signingKeyFile: string | null;
  readonly releaseKeyFile: string | null;
}

/** Reads the arguments of a build; null when they ask for help. Throws for what cannot be built. */
export function readOptions(args: string[], env: NodeJS.ProcessEnv): BuildOptions | null {
  const { values } = parseArgs({
    args,
    options: {
      out: { type: 'string', default: join(root, 'build/out') },
      cache: { type: 'string', default: join(root, '.cache/build') },
      arch: { type: 'string' },
      archive: { type: 'boolean', default: true },
      deb: { type: 'boolean', default: true },
      image: { type: 'boolean', default: false },
      'wireguard-go': { type: 'boolean', default: true },
      sign: { type: 'string' },
      'release-key': { type: 'string' },
      help: { type: 'boolean' },
    },
    allowNegative: true,
  });
  if (values.help) return null;
  const signingKeyFile = (values.sign ?? env.SALLYPORT_SIGNING_KEY_FILE) || null;
  return {
    out: resolve(values.out),
    cache: resolve(values.cache),
    processor: processorOf(values.arch),
    archive: values.archive,
    deb: values.archive && values.deb,
    image: values.archive && values.image,
    wireguardGo: values['wireguard-go'],
    signingKeyFile,
    releaseKeyFile: values['release-key'] ?? null,
  };
}

function processorOf(name: string | undefined): Processor {
  if (process.platform !== 'linux') throw new Error(`packages are built on Linux, not on ${process.platform}`);
  const processor = name ?? processors[process.arch] ?? process.arch;
  if (processor === 'amd64' || processor === 'arm64') return processor;
  throw new Error(`packages are for amd64 and arm64, not for ${processor}: use --arch`);
}
