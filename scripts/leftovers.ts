import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
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
    if (kill(Number(pid))) killed++;
  }
  return killed;
}

/**
 * The process that runs a test file for this process, with all that came from it: its descendants, and every process in a
 * network namespace that one of them is in. `end` kills them, and what they start meanwhile.
 */
export function fileProcesses(file: string): { readonly pids: ReadonlySet<number>; end(): void } {
  const parents = parentsOfAll();
  const root = [...parents].find(([pid, parent]) => parent === process.pid && runs(pid, file))?.[0];
  const pids = new Set(root === undefined ? [] : [root]);
  const networks = new Set<string>();
  addRelated(pids, networks, parents);
  return { pids, end: () => endAll(pids, networks) };
}

/** Adds until nothing is missing. */
function addRelated(pids: Set<number>, networks: Set<string>, parents: ReadonlyMap<number, number>): void {
  const shared = [linkOf(process.pid, 'net'), linkOf(1, 'net'), ''];
  for (let size = -1; size < pids.size; ) {
    size = pids.size;
    for (const pid of pids) networks.add(linkOf(pid, 'net'));
    for (const network of shared) networks.delete(network);
    for (const [pid, parent] of parents) if (pids.has(parent) || networks.has(linkOf(pid, 'net'))) pids.add(pid);
  }
}

function endAll(pids: Set<number>, networks: Set<string>): void {
  // A number of a process that has ended may be another's by now: only those that are still related are killed later on.
  for (let round = 0, todo = new Set(pids); todo.size > 0 && round < 50; round++) {
    const parents = parentsOfAll();
    for (const pid of todo) kill(pid);
    const late = [...parents].filter(([pid, parent]) => !pids.has(pid) && pids.has(parent)).map(([pid]) => pid);
    const inside = [...parents.keys()].filter((pid) => networks.has(linkOf(pid, 'net')));
    todo = new Set([...late, ...inside]);
    for (const pid of todo) pids.add(pid);
  }
}

function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself meanwhile.
    return false;
  }
}

/** The parent of each process. */
function parentsOfAll(): Map<number, number> {
  const parents = new Map<number, number>();
  for (const pid of readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)) {
    // The name of the program, in parentheses, may hold anything.
    const parent = /^.*\) \S (\d+)/s.exec(contentOf(pid, 'stat'))?.[1];
    if (parent !== undefined) parents.set(pid, Number(parent));
  }
  return parents;
}

function runs(pid: number, file: string): boolean {
  return contentOf(pid, 'cmdline')
    .split('\0')
    .some((word) => resolve(word) === resolve(file));
}

/** Empty for a process that has ended. */
function contentOf(pid: number, name: 'stat' | 'cmdline'): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    return '';
  }
}

/** Empty for a process that has ended. */
function linkOf(pid: string | number, kind: 'mnt' | 'net'): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    return '';
  }
}
