import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { promisify } from 'node:util';
import type { Cleanup } from './cleanup.ts';

const run = promisify(execFile);

/** Why network-namespace tests cannot run here, or null when they can. */
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

/** Runs a program and returns its output; the error carries what it said. */
export async function exec(file: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(file, [...args], { maxBuffer: 64 << 20 });
    return stdout;
  } catch (error) {
    const { stderr = '', stdout = '' } = error as { stderr?: string; stdout?: string };
    throw new Error(`${file} ${args.join(' ')}: ${stderr || stdout || (error as Error).message}`, { cause: error });
  }
}

/** Short unique text for names of namespaces and interfaces, so that tests can run side by side. */
export const uniqueTag = (): string => randomBytes(3).toString('hex');

/** Ends what still runs in a namespace, which would keep it alive, and removes it. */
export async function removeNamespace(name: string): Promise<void> {
  const pids = (await exec('ip', ['netns', 'pids', name])).split('\n').filter((line) => line !== '');
  for (const pid of pids) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended by itself meanwhile.
    }
  }
  await exec('ip', ['netns', 'del', name]);
}

/** A network namespace of the test's own, removed with the cleanup. */
export class Namespace {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  static async create(name: string, cleanup: Cleanup): Promise<Namespace> {
    await exec('ip', ['netns', 'add', name]);
    cleanup.add(() => removeNamespace(name));
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

/** One end of a cable: where it is plugged in, its interface name, its addresses with prefix length. */
export interface CableEnd {
  readonly namespace: Namespace;
  readonly interface: string;
  readonly addresses: readonly string[];
}

/** A veth pair between two namespaces, up and addressed. */
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
