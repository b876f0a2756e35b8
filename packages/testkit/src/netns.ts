import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Cleanup } from './cleanup.ts';

/** Returns why network-namespace tests cannot run here, or null when they can. */
export function whyNoNamespaces(): string | null {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root for network namespaces';
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch {
    return 'needs /dev/net/tun';
  }
  return null;
}

/**
 * Runs a program and returns its output; an error contains the output. The program has its own session, so a Ctrl-C in
 * the terminal does not interrupt a clean-up command.
 */
export async function exec(file: string, args: readonly string[]): Promise<string> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code === 0 ? '' : `ended with ${code ?? signal}`));
  });
  const [stdout, stderr, failure] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (failure !== '') throw new Error(`${file} ${args.join(' ')}: ${stderr || stdout || failure}`);
  return stdout;
}

/** Returns a short unique text for names of namespaces and interfaces, so that tests can run in parallel. */
export const uniqueTag = (): string => randomBytes(3).toString('hex');

/** Ends all processes of a namespace, which would keep it alive, and removes it. Another clean-up may do the same. */
export async function removeNamespace(name: string): Promise<void> {
  try {
    await endAndRemove(name);
  } catch (error) {
    if (existsSync(join('/var/run/netns', name))) throw error;
  }
}

async function endAndRemove(name: string): Promise<void> {
  const pids = async () => (await exec('ip', ['netns', 'pids', name])).split('\n').filter((line) => line !== '');
  // The next round finds processes that were starting.
  for (let left = await pids(), round = 0; left.length > 0 && round < 50; left = await pids(), round++) {
    for (const pid of left) end(Number(pid));
  }
  await exec('ip', ['netns', 'del', name]);
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The process ended in the meantime.
  }
}

/** A network namespace of a test; the cleanup removes it. */
export class Namespace {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  static async create(name: string, cleanup: Cleanup): Promise<Namespace> {
    cleanup.check();
    const made = exec('ip', ['netns', 'add', name]);
    // Registered before its creation, because the program may be stopped at any moment.
    cleanup.add(async () => {
      if (
        await made.then(
          () => true,
          () => false,
        )
      )
        await removeNamespace(name);
    });
    await made;
    const namespace = new Namespace(name);
    await namespace.ip('link', 'set', 'lo', 'up');
    return namespace;
  }

  ip(...args: string[]): Promise<string> {
    return exec('ip', ['-n', this.name, ...args]);
  }

  exec(file: string, ...args: string[]): Promise<string> {
    return exec('ip', ['netns', 'exec', this.name, file, ...args]);
  }

  async sysctl(key: string, value: string | number): Promise<void> {
    await this.exec('sysctl', '-qw', `${key}=${value}`);
  }

  /** Loads an nft script. */
  async nft(script: string): Promise<void> {
    await this.exec('nft', script);
  }
}

/** One end of a cable: its namespace, its interface name, and its addresses with prefix length. */
export interface CableEnd {
  readonly namespace: Namespace;
  readonly interface: string;
  readonly addresses: readonly string[];
}

/** Creates a veth pair between two namespaces, up and with addresses. */
export async function cable(a: CableEnd, b: CableEnd): Promise<void> {
  await a.namespace.ip(
    'link',
    'add',
    a.interface,
    'type',
    'veth',
    'peer',
    'name',
    b.interface,
    'netns',
    b.namespace.name,
  );
  for (const end of [a, b]) {
    // Duplicate address detection would keep IPv6 addresses unusable for a second.
    await end.namespace.sysctl(`net.ipv6.conf.${end.interface}.accept_dad`, 0);
    for (const address of end.addresses) {
      await end.namespace.ip('addr', 'add', address, 'dev', end.interface, ...(address.includes(':') ? ['nodad'] : []));
    }
    await end.namespace.ip('link', 'set', end.interface, 'up');
  }
}
