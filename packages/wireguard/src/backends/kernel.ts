import { randomBytes } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { checkLinkName } from '../address.ts';
import { WireGuardError } from '../errors.ts';
import type { DeviceChange, DeviceStatus, WireGuardBackend } from '../types.ts';
import { type CommandOptions, type CommandResult, commandFailure, tryCommand } from './command.ts';
import { nameTaken, noKernelModule, portTaken } from './failures.ts';
import { deleteLink, readLink } from './link.ts';
import { parseDump, type WgCommand, wgCommands } from './wg-tool.ts';

/** Search path and timeout of programs of the kernel backend. */
export interface KernelOptions {
  /** Search path of programs, as in PATH. Default: the system's directories. */
  readonly path?: string;
  /** Milliseconds to wait for a program. Default: 10,000. */
  readonly timeoutMs?: number;
  /** Directory in memory for an unnamed file during one call. Default: `/dev/shm`. */
  readonly scratchDirectory?: string;
}

/**
 * Backend for WireGuard in the kernel, driven by `ip` and `wg`. The kernel does not listen while the link is down, so a
 * taken port is reported only when the link comes up.
 */
export function kernelBackend(options: KernelOptions = {}): WireGuardBackend {
  const command: CommandOptions = {
    timeoutMs: options.timeoutMs ?? 10_000,
    ...(options.path === undefined ? {} : { path: options.path }),
  };
  const scratch = options.scratchDirectory ?? '/dev/shm';
  return {
    kind: 'kernel',
    ensure: async (name) => ensure(checkLinkName(name), command),
    read: async (name) => read(checkLinkName(name), command),
    apply: async (name, change) => apply(checkLinkName(name), change, scratch, command),
    remove: async (name) => {
      const link = await readLink(checkLinkName(name), command);
      if (link === null) return;
      if (link.kind !== 'wireguard') throw nameTaken(name, `a link of kind ${link.kind || 'hardware'}`);
      await deleteLink(name, command);
    },
  };
}

async function ensure(name: string, command: CommandOptions): Promise<void> {
  const link = await readLink(name, command);
  if (link?.kind === 'wireguard') return;
  if (link !== null) throw nameTaken(name, `a link of kind ${link.kind || 'hardware'}`);
  await addKernelLink(name, command);
}

/** Creates a WireGuard link in the kernel. Rejects with `no-kernel-module` or `no-privilege`. */
export async function addKernelLink(name: string, command: CommandOptions): Promise<void> {
  const args = ['link', 'add', 'dev', name, 'type', 'wireguard'];
  const result = await tryCommand('ip', args, command);
  if (result.exitCode === 0) return;
  if (/unknown device type|operation not supported/i.test(result.stderr)) throw noKernelModule();
  throw commandFailure('ip', args, result);
}

async function read(name: string, command: CommandOptions): Promise<DeviceStatus | null> {
  const args = ['show', name, 'dump'];
  const result = await tryCommand('wg', args, command);
  if (result.exitCode === 0) return parseDump(result.stdout);
  if (isGone(result)) return null;
  throw commandFailure('wg', args, { ...result, stdout: '' });
}

async function apply(name: string, change: DeviceChange, scratch: string, command: CommandOptions): Promise<void> {
  let postponed: WireGuardError | null = null;
  for (const step of wgCommands(name, change)) {
    const result = await runWg(step, scratch, command);
    if (result.exitCode === 0) continue;
    if (isGone(result)) throw new WireGuardError('not-running', `there is no WireGuard device ${name}`);
    if (!/address already in use/i.test(result.stderr)) throw commandFailure('wg', step.args, result);
    postponed = portTaken(change.listenPort ?? 0);
  }
  if (postponed !== null) throw postponed;
}

/** Returns whether the device does not exist. `wg` prints "Protocol not supported" while the module is not loaded. */
function isGone(result: CommandResult): boolean {
  return /no such device|protocol not supported/i.test(result.stderr);
}

/**
 * Runs `wg` with its input in an unnamed file in memory. `wg` opens its input by path, which fails on the socket that Node
 * passes as standard input. The name is removed before the first write, so that no other process can open the file.
 */
async function runWg(step: WgCommand, scratch: string, command: CommandOptions): Promise<CommandResult> {
  if (step.input === undefined) return tryCommand('wg', step.args, command);
  const path = join(scratch, `.sallyport-${randomBytes(12).toString('hex')}`);
  const file = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
    await file.write(step.input);
    return await tryCommand('wg', step.args, { ...command, inputFd: file.fd });
  } finally {
    await file.close();
  }
}
