import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { kernelBackend, userspaceBackend } from '@sallyport/wireguard';
import type { AgentStatus, Facts } from './health.ts';
import { holderText, invocationOf, livingProcess } from './processes.ts';
import { readStatusFile } from './status-file.ts';

/** Role of an agent, as the command line names it. */
export type Role = 'gateway' | 'client';

/** An agent that runs on this host, and how it was started. */
export interface RunningAgent {
  readonly role: Role;
  readonly stateDir: string;
  /** Its process, as `holderText` says it. The process id stays when the agent starts again. */
  readonly process: string;
  readonly interface: string;
  /** Arguments of `sally gateway` or `sally client`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Address of its controller, if it is known, and the file with certificates that it trusts. */
  readonly controller: string | null;
  readonly caFile: string | null;
}

const interfaces = { gateway: 'sallyport0', client: 'sallyport1' } as const;

/** Finds the agent that holds a state directory; null when none runs. */
export async function findAgent(role: Role, stateDir: string): Promise<RunningAgent | null> {
  const pid = await holderOf(stateDir);
  const process = pid === null ? null : await holderText(pid);
  if (pid === null || process === null) return null;
  const { args: words, env } = await invocationOf(pid);
  const at = words.indexOf('run');
  if (at < 0) return null;
  const args = words.slice(at);
  const option = (name: string): string | null => optionOf(args, name);
  const settings = role === 'client' ? await clientSettings(stateDir) : null;
  return {
    role,
    stateDir,
    process,
    args,
    env,
    interface: option('interface') ?? settings?.interface ?? interfaces[role],
    controller: option('controller') ?? settings?.controller ?? null,
    caFile: option('ca-file') ?? settings?.caFile ?? (env.SALLYPORT_CA_FILE || null),
  };
}

/** Returns the process that holds a state directory, or null. */
export const holderOf = async (stateDir: string): Promise<number | null> =>
  livingProcess(await readlink(join(stateDir, 'agent.lock')).catch(() => ''));

/** Reads the facts about an agent. Peers come from WireGuard itself, not from the agent. */
export async function readFacts(agent: RunningAgent): Promise<Facts> {
  const [pid, peers] = await Promise.all([holderOf(agent.stateDir), peersOf(agent.interface)]);
  return { pid, status: pid === null ? null : await statusOf(agent, pid), peers };
}

async function statusOf({ role, stateDir }: RunningAgent, pid: number): Promise<AgentStatus | null> {
  const text = await readFile(join(stateDir, 'status.json'), 'utf8').catch(() => '');
  return readStatusFile(role, text, pid);
}

async function peersOf(name: string): Promise<Facts['peers']> {
  for (const backend of [userspaceBackend(), kernelBackend()]) {
    const device = await backend.read(name).catch(() => null);
    if (device !== null) return new Map([...device.peers].map(([key, { lastHandshake }]) => [key, lastHandshake]));
  }
  return null;
}

function optionOf(args: readonly string[], name: string): string | null {
  for (const [at, word] of args.entries()) {
    if (word === `--${name}`) return args[at + 1] ?? null;
    if (word.startsWith(`--${name}=`)) return word.slice(name.length + 3);
  }
  return null;
}

interface ClientSettings {
  readonly controller?: string;
  readonly interface?: string;
  readonly caFile?: string | null;
}

async function clientSettings(stateDir: string): Promise<ClientSettings> {
  try {
    const value: unknown = JSON.parse(await readFile(join(stateDir, 'client.json'), 'utf8'));
    if (typeof value !== 'object' || value === null) return {};
    const { controller, interface: name, caFile } = value as Record<string, unknown>;
    return {
      ...(typeof controller === 'string' && { controller }),
      ...(typeof name === 'string' && { interface: name }),
      ...(typeof caFile === 'string' && { caFile }),
    };
  } catch {
    return {};
  }
}
