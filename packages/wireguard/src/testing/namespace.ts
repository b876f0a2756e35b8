import { accessSync, constants } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand, tryCommand } from '../backends/command.ts';

/** Returns the reason why tests with real packets cannot run here, or null. */
export function whyNoPackets(): string | null {
  if (process.geteuid?.() !== 0) return 'needs root';
  const needed = ['/dev/net/tun', '/usr/bin/wireguard-go', '/usr/bin/wg'];
  const missing = needed.find((path) => !readable(path));
  return missing === undefined ? null : `needs ${missing}`;
}

/** Returns a unique name for a namespace or link (12 characters at most). */
export function uniqueName(): string {
  counter += 1;
  return `sp${process.pid.toString(36)}${counter.toString(36)}`;
}

/** Creates a network namespace with its loopback up. */
export async function addNamespace(): Promise<string> {
  const namespace = uniqueName();
  await runCommand('ip', ['netns', 'add', namespace]);
  await inNamespace(namespace, 'ip', 'link', 'set', 'lo', 'up');
  return namespace;
}

/** Removes a namespace with its links and their wireguard-go. */
export async function deleteNamespace(namespace: string): Promise<void> {
  await runCommand('ip', ['netns', 'del', namespace]);
}

/** Runs a program inside a namespace and returns its standard output. */
export async function inNamespace(namespace: string, program: string, ...args: readonly string[]): Promise<string> {
  return runCommand('ip', ['netns', 'exec', namespace, program, ...args]);
}

/** Returns whether a program succeeds inside a namespace. */
export async function succeedsIn(namespace: string, program: string, ...args: readonly string[]): Promise<boolean> {
  return (await tryCommand('ip', ['netns', 'exec', namespace, program, ...args])).exitCode === 0;
}

/** Waits until the condition holds. Rejects after a minute. */
export async function eventually(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`never happened: ${what}`);
    await delay(10);
  }
}

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

let counter = 0;
