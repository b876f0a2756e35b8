import { readdirSync, readlinkSync, statSync } from 'node:fs';
import process from 'node:process';

const names = '/var/run/netns';

/**
 * Kills every process that tests have started and left behind: those in our mount namespace, and those in a network
 * namespace with a name there. The namespaces go with them. Does nothing when this process has no private places (see
 * private-namespaces.sh). Synchronous, so that it also works as the last act of a process.
 */
export function endLeftovers(): void {
  if (process.env.PRIVATE_NAMESPACES_OF !== String(process.pid)) return;
  // A process that was just starting shows up in a later round.
  for (let round = 0, killed = 1; killed > 0 && round < 50; round++) killed = killOnce();
}

/** Whether `endLeftovers` finds everything. */
export function leavesNothing(): boolean {
  return process.env.PRIVATE_NAMESPACES_OF === String(process.pid);
}

function killOnce(): number {
  const ours = readlinkSync('/proc/self/ns/mnt');
  const networks = new Set(readdirSync(names).map((name) => `net:[${statSync(`${names}/${name}`).ino}]`));
  // A test may have given our own network a name.
  networks.delete(readlinkSync('/proc/self/ns/net'));
  let killed = 0;
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    if (linkOf(pid, 'mnt') !== ours && !networks.has(linkOf(pid, 'net'))) continue;
    try {
      process.kill(Number(pid), 'SIGKILL');
      killed++;
    } catch {
      // It ended by itself meanwhile.
    }
  }
  return killed;
}

/** Empty for a process that has ended. */
function linkOf(pid: string, kind: 'mnt' | 'net'): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    return '';
  }
}
