import { restingPeer } from '@sallyport/agent-core';
import {
  EndpointMemory,
  lockAgent,
  removalOptions,
  StateDirectory,
  stateAccess,
  UsageError,
} from '@sallyport/agent-runtime';
import { RelayTable } from '@sallyport/hostnet';
import type { Place } from '../arguments.ts';
import { DataPlane } from '../plane/data-plane.ts';

/**
 * Undoes everything that agents did on this host. Keys and the last state stay, so that `run` needs no token. Returns
 * the text for the operator. Throws UsageError while an agent runs.
 */
export async function downGateway({ stateDir, interface: name }: Place): Promise<string> {
  const directory = StateDirectory.at(stateDir);
  const access = await stateAccess(stateDir);
  if (access === 'closed')
    throw new UsageError(`${stateDir} belongs to another user: run the command as root (sudo sally gateway down)`);
  const exists = access === 'ours';
  const lock = exists ? await lockAgent(stateDir, name) : null;
  try {
    const endpoints = await EndpointMemory.load(directory);
    const plane = new DataPlane({
      ...removalOptions(name, endpoints),
      directory,
      peerConfig: restingPeer,
      now: Date.now,
      onForeignChange: () => {},
      onHostDrift: () => {},
      onHostChange: () => {},
      path: () => 'unknown',
    });
    const relayed = await new RelayTable(name).remove();
    const undone = [...(relayed ? ['nftables table of the relay'] : []), ...(await plane.down())];
    await directory.remove('status.json');
    if (exists) await endpoints.save(directory);
    return undone.length === 0 ? 'Nothing to undo.\n' : `Undone:\n${undone.map((what) => `  ${what}\n`).join('')}`;
  } finally {
    await lock?.release();
  }
}
