import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WireGuardError } from '../errors.ts';
import type { WireGuardBackend } from '../types.ts';
import { chooseBuild, type WireGuardGoBuild } from './builds.ts';
import { type CommandOptions, SYSTEM_PATH } from './command.ts';
import { missingTool, noPrivilege, noTun } from './failures.ts';
import { addKernelLink, kernelBackend } from './kernel.ts';
import { deleteLink } from './link.ts';
import { userspaceBackend } from './userspace.ts';

/** Backend that the operator chose. `auto`: the kernel if it has WireGuard, else wireguard-go. */
export type BackendChoice = 'auto' | 'kernel' | 'userspace';

/** Paths where `detectBackend` looks for programs and devices. */
export interface DetectOptions {
  /** Search path of programs, as in PATH. Default: the system's directories. */
  readonly path?: string;
  /** Path of the wireguard-go to use. Default: the newest that is found. */
  readonly program?: string;
  /** Default: `/dev/net/tun`. */
  readonly tunDevice?: string;
}

/**
 * Tests the abilities of this host and returns the backend to use. Rejects with a `WireGuardError` with advice:
 * `missing-tool`, `no-privilege`, `no-tun` or `no-kernel-module`. It briefly creates a link with a random name.
 */
export async function detectBackend(
  choice: BackendChoice,
  options: DetectOptions = {},
): Promise<'kernel' | 'userspace'> {
  return (await detect(choice, options)) === null ? 'kernel' : 'userspace';
}

/** Returns the wireguard-go to use, or null for the kernel. */
async function detect(choice: BackendChoice, options: DetectOptions): Promise<WireGuardGoBuild | null> {
  await checkTool('ip', options);
  await checkPrivilege();
  if (choice === 'kernel') {
    await tryKernel(options);
    return null;
  }
  if (choice === 'auto' && (await works(() => tryKernel(options)))) return null;
  return tryUserspace(options);
}

/** Opens a backend of a kind with its defaults. */
export function openBackend(
  kind: 'kernel' | 'userspace',
  options: Pick<DetectOptions, 'path' | 'program'> = {},
): WireGuardBackend {
  return kind === 'kernel' ? kernelBackend(options) : userspaceBackend(options);
}

/** Detects and opens the backend for this host. `build`: the wireguard-go that runs the device. */
export async function openDetected(
  choice: BackendChoice,
  options: DetectOptions = {},
): Promise<{ readonly backend: WireGuardBackend; readonly build: WireGuardGoBuild | null }> {
  const build = await detect(choice, options);
  return { backend: openBackend(build === null ? 'kernel' : 'userspace', options), build };
}

function buildOf({ path, program }: DetectOptions): Promise<WireGuardGoBuild> {
  return chooseBuild({ ...(path !== undefined && { path }), ...(program !== undefined && { named: program }) });
}

async function works(attempt: () => Promise<void>): Promise<boolean> {
  try {
    await attempt();
    return true;
  } catch (error) {
    if (error instanceof WireGuardError) return false;
    throw error;
  }
}

async function tryKernel(options: DetectOptions): Promise<void> {
  await checkTool('wg', options);
  const command: CommandOptions = options.path === undefined ? {} : { path: options.path };
  const name = `sp-${randomBytes(5).toString('hex')}`;
  await addKernelLink(name, command);
  await deleteLink(name, command);
}

async function tryUserspace(options: DetectOptions): Promise<WireGuardGoBuild> {
  const build = await buildOf(options);
  try {
    await (await open(options.tunDevice ?? '/dev/net/tun', constants.O_RDWR)).close();
  } catch {
    throw noTun();
  }
  return build;
}

async function checkTool(program: string, options: DetectOptions): Promise<void> {
  for (const directory of (options.path ?? SYSTEM_PATH).split(':')) {
    const found = await access(join(directory, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return;
  }
  throw missingTool(program);
}

/** Effective capabilities as proc(5) shows them: bit 12 is CAP_NET_ADMIN. */
async function checkPrivilege(): Promise<void> {
  const status = await readFile('/proc/self/status', 'latin1');
  const effective = /^CapEff:\s*([0-9a-f]{16})$/m.exec(status)?.[1];
  if (effective === undefined || ((BigInt(`0x${effective}`) >> 12n) & 1n) === 0n) throw noPrivilege();
}
