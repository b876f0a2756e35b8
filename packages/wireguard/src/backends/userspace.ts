import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { checkLinkName } from '../address.ts';
import { WireGuardError } from '../errors.ts';
import type { DeviceChange, DeviceStatus, WireGuardBackend } from '../types.ts';
import { encodeSet, UAPI_GET } from '../uapi.ts';
import { decodeErrno, decodeGet } from '../uapi-decode.ts';
import { type CommandOptions, commandFailure, tryCommand } from './command.ts';
import { nameTaken, noPrivilege, noTun, portTaken } from './failures.ts';
import { deleteLink, type Link, readLink, setMtu } from './link.ts';
import { uapiRequest } from './uapi-socket.ts';
import { type Supervisor, startHint, startWireGuardGo } from './wireguard-go.ts';

/** Paths and timeouts of the userspace backend. */
export interface UserspaceOptions {
  /** Directory of the sockets of wireguard-go. Default: `/var/run/wireguard`. */
  readonly socketDirectory?: string;
  readonly supervisor?: Supervisor;
  /** Search path of programs, as in PATH. Default: the system's directories. */
  readonly path?: string;
  /** Path of the wireguard-go to start. Default: the newest that is found. */
  readonly program?: string;
  /** Milliseconds to wait for a program, or for an answer. Default: 10,000. */
  readonly timeoutMs?: number;
}

/**
 * Backend for wireguard-go on a persistent TUN device. Link, addresses and routes belong to the kernel and survive a crash
 * of wireguard-go. wireguard-go itself survives a crash of the agent. After a crash, `ensure` starts it again, and keys and
 * peers must be applied again. wireguard-go listens even while the link is down, so a taken port is reported at once.
 */
export function userspaceBackend(options: UserspaceOptions = {}): WireGuardBackend {
  const context: Context = {
    directory: options.socketDirectory ?? '/var/run/wireguard',
    supervisor: options.supervisor ?? 'auto',
    timeoutMs: options.timeoutMs ?? 10_000,
    named: options.program === undefined ? {} : { named: options.program },
    command: { timeoutMs: options.timeoutMs ?? 10_000, ...(options.path === undefined ? {} : { path: options.path }) },
  };
  return {
    kind: 'userspace',
    ensure: async (name) => ensure(context, checkLinkName(name)),
    read: async (name) => read(context, checkLinkName(name)),
    apply: async (name, change) => apply(context, checkLinkName(name), change),
    remove: async (name) => remove(context, checkLinkName(name)),
  };
}

interface Context {
  readonly directory: string;
  readonly supervisor: Supervisor;
  readonly timeoutMs: number;
  readonly command: CommandOptions;
  readonly named: { readonly named?: string };
}

async function ensure(context: Context, name: string): Promise<void> {
  const [status, link] = await Promise.all([read(context, name), readLink(name, context.command)]);
  if (link !== null && link.kind !== 'tun') throw nameTaken(name, `a link of kind ${link.kind || 'hardware'}`);
  if (status !== null) {
    if (link === null) throw nameTaken(name, 'a wireguard-go in another network namespace');
    return;
  }
  if (link === null) await addTun(context, name);
  try {
    await startWireGuardGo(name, context.supervisor, { ...context.command, ...context.named });
    await untilListening(context, name);
  } catch (error) {
    if (link === null) await deleteLink(name, context.command);
    throw error;
  }
  if (link !== null) await restoreMtu(context, name, link);
}

async function read(context: Context, name: string): Promise<DeviceStatus | null> {
  try {
    return decodeGet(await uapiRequest(socketPath(context, name), UAPI_GET, context.timeoutMs));
  } catch (error) {
    if (error instanceof WireGuardError && error.code === 'not-running') return null;
    throw error;
  }
}

async function apply(context: Context, name: string, change: DeviceChange): Promise<void> {
  const { peers, ...settings } = change;
  const first = encodeSet({ ...settings, peers: [] });
  const second = encodeSet({ peers });
  const settingsErrno = await set(context, name, first, 0);
  const peersErrno = peers.length === 0 ? 0 : await set(context, name, second, peers.length);
  if (peersErrno !== 0) throw refusal(peersErrno);
  if (settingsErrno === EADDRINUSE) throw portTaken(settings.listenPort ?? 0);
  if (settingsErrno !== 0) throw refusal(settingsErrno);
}

async function remove(context: Context, name: string): Promise<void> {
  const link = await readLink(name, context.command);
  if (link !== null) {
    if (link.kind !== 'tun') throw nameTaken(name, `a link of kind ${link.kind || 'hardware'}`);
    await deleteLink(name, context.command);
    await until(context, name, 'wireguard-go did not end', async () => (await read(context, name)) === null);
  }
  if ((await read(context, name)) === null) await rm(socketPath(context, name), { force: true });
}

function socketPath(context: Context, name: string): string {
  return join(context.directory, `${name}.sock`);
}

async function set(context: Context, name: string, request: string, peers: number): Promise<number> {
  const timeoutMs = context.timeoutMs + peers * MS_PER_PEER;
  return decodeErrno(await uapiRequest(socketPath(context, name), request, timeoutMs));
}

/**
 * Creates the TUN device. The flags `vnet_hdr` and `pi` do not matter, because wireguard-go sets its own. `multi_queue` must
 * match, and wireguard-go does not use it.
 */
async function addTun(context: Context, name: string): Promise<void> {
  const args = ['tuntap', 'add', 'dev', name, 'mode', 'tun'];
  const result = await tryCommand('ip', args, context.command);
  if (result.exitCode === 0) return;
  if (/\/dev\/net\/tun|no such file|no such device/i.test(result.stderr)) throw noTun();
  throw commandFailure('ip', args, result);
}

/** Waits until wireguard-go has bound a port. Before that, it does not report a taken port. */
async function untilListening(context: Context, name: string): Promise<void> {
  const problem = `wireguard-go does not answer; ${startHint(name, context.supervisor)}`;
  await until(context, name, problem, async () => ((await read(context, name))?.listenPort ?? 0) !== 0);
}

/** Restores the MTU, because wireguard-go sets it to 1420 when it opens the device. */
async function restoreMtu(context: Context, name: string, before: Link): Promise<void> {
  const now = await readLink(name, context.command);
  if (now !== null && now.mtu !== before.mtu) await setMtu(name, before.mtu, context.command);
}

async function until(context: Context, name: string, problem: string, met: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + context.timeoutMs;
  while (!(await met())) {
    if (performance.now() > deadline) throw new WireGuardError('timeout', `${name}: ${problem}`);
    await delay(POLL_MS);
  }
}

function refusal(errno: number): WireGuardError {
  if (errno === EPERM || errno === EACCES) return noPrivilege();
  return new WireGuardError('failed', `wireguard-go refused the change (errno ${errno})`);
}

const POLL_MS = 5;

/** Timeout per peer in milliseconds. Measured: 0.25 ms per peer in one large set. Slow machines need more. */
const MS_PER_PEER = 5;
const EPERM = 1;
const EACCES = 13;
const EADDRINUSE = 98;
