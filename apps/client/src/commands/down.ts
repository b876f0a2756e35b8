import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  EndpointMemory,
  lockAgent,
  lockHolder,
  readSavedHost,
  removalOptions,
  StateDirectory,
  stateAccess,
} from '@sallyport/agent-runtime';
import type { ClientHostState } from '@sallyport/hostnet';
import { defaultInterface } from '../arguments.ts';
import { CommandError } from '../failure.ts';
import { LocalConnection } from '../local/client.ts';
import { restoreResolvers } from '../names/host-resolvers.ts';
import { Tunnel } from '../plane/tunnel.ts';
import { readSettings } from '../state/settings.ts';
import { stopUnit } from './systemd.ts';

/** The parsed `down` command. */
export interface DownCommand {
  readonly stateDir: string;
  readonly forget: boolean;
}

/**
 * Ends the daemon and undoes everything that daemons did on this host. Missing items are no failure. Returns the undone
 * items, one phrase each. `kill` ends a process that does not answer on the socket.
 */
export async function downClient(
  { stateDir, forget }: DownCommand,
  kill: (pid: number) => void,
): Promise<readonly string[]> {
  const access = await stateAccess(stateDir);
  if (access === 'absent') return [];
  if (access === 'closed')
    throw new CommandError(`${stateDir} belongs to another user: run the command as root (sudo sally down)`);
  const stopped = await stopDaemon(stateDir, kill);
  const directory = StateDirectory.at(stateDir);
  const lock = await lockAgent(stateDir, 'sallyport-client');
  try {
    const endpoints = await EndpointMemory.load(directory);
    const saved = await readSavedHost<ClientHostState>(directory);
    const settings = await readSettings(directory);
    const name = saved?.host.interface ?? settings?.interface ?? defaultInterface;
    const resolvers = (await restoreResolvers(name)) ? ['resolvers'] : [];
    const undone = [...resolvers, ...(await undoTunnel(name, directory, endpoints))];
    await directory.remove('status.json');
    if (forget) await forgetDevice(directory);
    else await endpoints.save(directory);
    return [...(stopped ? ['the daemon'] : []), ...undone, ...(forget ? ['identity and settings'] : [])];
  } finally {
    await lock.release();
  }
}

/** Removes the tunnel of an interface and returns the undone items. */
export function undoTunnel(name: string, directory: StateDirectory, endpoints: EndpointMemory): Promise<string[]> {
  const tunnel = new Tunnel({
    ...removalOptions(name, endpoints),
    directory,
    now: Date.now,
    peerConfig: ({ publicKey }) => ({ publicKey, allowedIps: [] }),
    direct: () => [],
    coming: () => {},
    closesResolvers: () => false,
    closing: () => {},
    onHostDrift: () => {},
  });
  return tunnel.down();
}

async function forgetDevice(directory: StateDirectory): Promise<void> {
  for (const file of ['identity.json', 'state.json', 'endpoints.json', 'client.json'] as const) {
    await directory.remove(file);
  }
  await rm(join(directory.path, 'enrolment.key'), { force: true });
}

/** Returns true when a daemon was running. */
async function stopDaemon(stateDir: string, kill: (pid: number) => void): Promise<boolean> {
  await stopUnit(stateDir);
  const pid = await lockHolder(stateDir);
  if (pid === null) return false;
  const daemon = await LocalConnection.open(stateDir).catch(() => null);
  daemon?.send({ op: 'stop' });
  if (await gone(stateDir, daemon === null ? 1_000 : longestStopMs)) return true;
  // The tunnel does not depend on the daemon, so nothing is lost with it.
  kill(pid);
  if (await gone(stateDir, 2_000)) return true;
  throw new CommandError(`the daemon with process id ${pid} does not stop: kill it, and run sally down again`);
}

/** Longest time of an orderly stop. */
const longestStopMs = 10_000;

async function gone(stateDir: string, ms: number): Promise<boolean> {
  const end = performance.now() + ms;
  while ((await lockHolder(stateDir)) !== null) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}
