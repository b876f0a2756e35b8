import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isVersion } from '@sallyport/release/version';

/** The versions on this host, and the program that upgrades it. */
export interface UpgradeHost {
  /** Version of this program. */
  readonly version: string;
  /** Returns the version that agents start with; null when it cannot be read. */
  current(): string | null;
  /** Starts `sally upgrade` as a process of its own. */
  start(version: string, args: readonly string[]): ChildProcess;
}

/**
 * Returns the host of a program that the install script of a controller put there: `HOME/versions/VERSION`, with the link
 * `HOME/current`. Returns null for a package of the distribution and for a clone, which are not upgraded this way.
 */
export function upgradeHost(root: string, version: string, env: NodeJS.ProcessEnv): UpgradeHost | null {
  const versions = dirname(root);
  const current = join(dirname(versions), 'current');
  if (basename(versions) !== 'versions' || !isVersion(basename(root)) || !existsSync(current)) return null;
  return {
    version,
    current: () => {
      try {
        return basename(readlinkSync(current));
      } catch {
        return null;
      }
    },
    start: (to, args) =>
      spawn(join(current, 'bin/sally'), ['upgrade', '--to', to, ...args], {
        // It outlives this agent, which starts again during the trial.
        detached: true,
        stdio: 'ignore',
        cwd: '/',
        env: withoutCache(env, root),
      }),
  };
}

/** The cache of compiled code belongs to this version. */
function withoutCache(env: NodeJS.ProcessEnv, root: string): NodeJS.ProcessEnv {
  const { NODE_COMPILE_CACHE: cache, ...rest } = env;
  return cache === undefined || cache.startsWith(root) ? rest : { ...rest, NODE_COMPILE_CACHE: cache };
}
