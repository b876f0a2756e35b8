import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Set by the build of the packages, where every program is one of a few files beside this one. */
declare const SALLYPORT_BUNDLED: true | undefined;

const bundled = typeof SALLYPORT_BUNDLED !== 'undefined';

/** Folder of the checkout or of the installed package. */
export const root: string = bundled ? dirname(import.meta.dirname) : join(import.meta.dirname, '../../..');

/** Version of all programs, from `package.json` at the root. */
export const version: string = String(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version);

const programs = {
  controller: 'apps/controller/src/main.ts',
  backup: 'apps/controller/src/backup/main.ts',
  gateway: 'apps/gateway/src/main.ts',
  client: 'apps/client/src/main.ts',
  cli: 'apps/cli/src/main.ts',
  doctor: 'apps/doctor/src/main.ts',
} as const;

/** Program of the project that `node` runs. */
export type ProgramName = keyof typeof programs;

/** Path of each program in a checkout, relative to its root. */
export const programSources: Readonly<Record<ProgramName, string>> = programs;

/** Returns the file of a program. */
export const programFile = (name: ProgramName): string => join(root, bundled ? `programs/${name}.js` : programs[name]);

/**
 * Returns the arguments of `node` that run a program, before its own. Agents keep little and live long, so a small young
 * generation saves them memory. `bin/sally` says the same.
 */
export function programArguments(name: ProgramName): [string, ...string[]] {
  return name === 'gateway' || name === 'client' ? ['--max-semi-space-size=1', programFile(name)] : [programFile(name)];
}

/** Folder with files that a program reads or serves. */
export type AssetFolder = 'console' | 'migrations' | 'api-viewer' | 'deploy';

/** Returns the path of a folder of files. It may not exist: a checkout has no console before it is built. */
export function assetFolder(name: AssetFolder): string {
  if (name === 'deploy') return join(root, 'deploy');
  if (bundled) return join(root, 'assets', name);
  if (name === 'console') return join(root, 'apps/console/dist/app');
  if (name === 'migrations') return join(root, 'apps/controller/src/db/migrations');
  const controller = createRequire(join(root, 'apps/controller/package.json'));
  return join(dirname(controller.resolve('@fastify/swagger-ui')), 'static');
}

/** Folder where the controller of an installed package looks for the archives that it gives to other hosts. */
export const packagedReleaseFolder = '/var/lib/sallyport/releases';

/** Folder where a controller looks for those archives. It may not exist. */
export const releaseFolder: string = bundled ? packagedReleaseFolder : join(root, 'build/out');

/**
 * Returns the path of a program of others that came with the installed package; null in a checkout, and in a package that
 * was built without it.
 *
 * @param folder of the package's programs
 */
export function companionProgram(
  name: 'wireguard-go',
  folder: string | null = bundled ? join(root, 'bin') : null,
): string | null {
  if (folder === null) return null;
  const file = join(folder, name);
  return existsSync(file) ? file : null;
}

/**
 * Returns the public keys that sign releases, in PEM, as the installed package has them; null in a checkout, and in a
 * package that was built without a key.
 */
export function pinnedReleaseKeys(folder: string | null = bundled ? root : null): string | null {
  const file = folder === null ? '' : join(folder, 'release-key.pem');
  return file !== '' && existsSync(file) ? readFileSync(file, 'utf8') : null;
}
