import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Cleanup, Daemon, type Namespace, until } from '@sallyport/testkit';
import { World } from '../lab/world.ts';

/** Name of a namespace. */
export type Place = 'internet' | 'lan' | 'wiki' | 'controller' | 'office' | 'laptop' | 'phone';
/** Name of a machine on which the reader types. */
export type MachineName = 'controller' | 'office' | 'laptop' | 'phone';

/**
 * The machines of README, in namespaces:
 *
 *   controller 203.0.113.10 (controller.example.com) ── LAN 10.20.0.1 ─┐
 *   office     203.0.113.20 (vpn.example.com)        ── LAN 10.20.0.2 ─┤ wiki 10.20.0.10, and a neighbour 10.20.0.11
 *   laptop     203.0.113.30
 *   phone      203.0.113.40
 */
export class ReadmeWorld extends World<Place> {
  /** `folder`: a folder of the test. `checkout`: the clone that every machine has. */
  static async create(cleanup: Cleanup, folder: string, checkout: string): Promise<ReadmeWorld> {
    const world = new ReadmeWorld(cleanup);
    await world.#build(folder);
    await Promise.all(machines.map((name) => world.#add(name, folder, checkout)));
    return world;
  }

  readonly #machines = new Map<MachineName, Machine>();

  machine(name: MachineName): Machine {
    const machine = this.#machines.get(name);
    if (machine === undefined) throw new Error(`no machine ${name}`);
    return machine;
  }

  async #build(folder: string): Promise<void> {
    await this.addSpaces(['internet', 'lan', 'wiki', ...machines]);
    await this.bridge('internet', 'br0', ['203.0.113.1/24']);
    await this.bridge('lan');
    await this.plug('wiki', 'eth0', ['10.20.0.10/24', '10.20.0.11/24'], 'lan');
    for (const [index, name] of machines.entries()) {
      await this.plug(name, 'wan0', [`203.0.113.${(index + 1) * 10}/24`], 'internet');
      await this.space(name).ip('route', 'add', 'default', 'via', '203.0.113.1');
    }
    await this.plug('controller', 'lan0', ['10.20.0.1/24'], 'lan');
    await this.plug('office', 'lan0', ['10.20.0.2/24'], 'lan');
    await startWiki(this.space('wiki'), folder, this.cleanup);
  }

  async #add(name: MachineName, folder: string, checkout: string): Promise<void> {
    const hosts = join(folder, 'hosts');
    writeFileSync(hosts, '127.0.0.1 localhost\n203.0.113.10 controller.example.com\n203.0.113.20 vpn.example.com\n');
    this.#machines.set(name, await Machine.start(this.space(name), { hosts, checkout }, this.cleanup));
  }

  /** Disconnects a machine from both networks. */
  async cut(name: MachineName): Promise<void> {
    for (const link of ['wan0', 'lan0']) await this.space(name).ip('link', 'set', link, 'down');
  }
}

const machines = ['controller', 'office', 'laptop', 'phone'] as const;

async function startWiki(namespace: Namespace, folder: string, cleanup: Cleanup): Promise<void> {
  const [key, cert] = [join(folder, 'wiki.key'), join(folder, 'wiki.pem')];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];
  await namespace.exec('openssl', ...request, '-subj', '/CN=wiki', '-keyout', key, '-out', cert);
  const program = fileURLToPath(new URL('./wiki.ts', import.meta.url));
  await Daemon.start([program, key, cert], { cleanup, namespace }).says(/listening/);
}

/** Outcome of a script. */
export interface Outcome {
  readonly code: number | null;
  /** Standard output and standard error, as received. */
  readonly output: string;
}

/** A machine with its own network, home, `/var/lib` and `/run`, on which the reader is root. */
export class Machine {
  readonly #pid: number;
  readonly #cleanup: Cleanup;

  private constructor(pid: number, cleanup: Cleanup) {
    this.#pid = pid;
    this.#cleanup = cleanup;
  }

  static async start(
    namespace: Namespace,
    { hosts, checkout }: { hosts: string; checkout: string },
    cleanup: Cleanup,
  ): Promise<Machine> {
    const script = `set -e
      for place in /var/lib /run /home; do mount -t tmpfs -o mode=755 tmpfs $place; done
      mkdir -p ${clone} ${tools}
      printf '#!/bin/sh\\nexec "$@"\\n' > ${tools}/sudo
      chmod 755 ${tools}/sudo
      mount --bind "$2" /etc/hosts
      mount --bind "$1" ${clone}
      echo made
      exec sleep infinity`;
    const inside = ['unshare', '--mount', 'sh', '-c', script, 'sh', checkout, hosts];
    cleanup.check();
    const child = spawn('ip', ['netns', 'exec', namespace.name, ...inside], { stdio: ['ignore', 'pipe', 'inherit'] });
    cleanup.add(async () => void child.kill('SIGKILL'));
    let said = '';
    child.stdout.on('data', (data: Buffer) => {
      said += data.toString();
    });
    await until('a machine', () => said.includes('made'));
    return new Machine(child.pid ?? 0, cleanup);
  }

  /** Runs a script to its end, as if typed in the clone or in the home folder. */
  async run(script: string, { input = '', home = false }: { input?: string; home?: boolean } = {}): Promise<Outcome> {
    const running = this.start(script, { input, home });
    await until(`the end of ${script}`, () => !running.running, { timeoutMs: 90_000 }).catch((error) => {
      throw new Error(`${(error as Error).message}; it said:\n${running.output}`);
    });
    return { code: running.child.exitCode, output: running.output };
  }

  start(script: string, { input = '', home = false }: { input?: string; home?: boolean } = {}): Running {
    this.#cleanup.check();
    const where = ['-t', String(this.#pid), '--mount', '--net'];
    // Like a shell at a prompt, it outlives the Ctrl-C that ends its command.
    const typed = `trap : INT; cd ${home ? homeFolder : clone}\n${script}`;
    const child = spawn('nsenter', [...where, 'sh', '-euc', typed], {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { HOME: homeFolder, PATH: `${tools}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin` },
    });
    const running = new Running(child);
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
    this.#cleanup.add(async () => {
      await running.kill('SIGKILL');
    });
    return running;
  }

  /** Copies a file to a path on the same or another machine, as README instructs. */
  async copyTo(other: Machine, from: string, to: string): Promise<void> {
    const { output } = await this.run(`cat ${from}`);
    const { code } = await other.run(`umask 077; cat > ${to}`, { input: output });
    if (code !== 0) throw new Error(`${to} could not be written`);
  }
}

/** A running script. */
export class Running {
  readonly child: ChildProcess;
  output = '';

  constructor(child: ChildProcess) {
    this.child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data: Buffer) => {
        this.output += data.toString();
      });
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async says(pattern: RegExp): Promise<void> {
    await until(`output ${pattern}`, () => pattern.test(this.output) || !this.running, { timeoutMs: 90_000 });
    if (!pattern.test(this.output)) throw new Error(`it ended and had said:\n${this.output}`);
  }

  /** Ends it like Ctrl-C in its terminal, and returns its exit code. */
  async kill(signal: NodeJS.Signals): Promise<number | null> {
    if (this.running) process.kill(-(this.child.pid ?? 0), signal);
    await until('it to end', () => !this.running, { timeoutMs: 30_000 });
    return this.child.exitCode;
  }
}

const homeFolder = '/home/you';
const clone = `${homeFolder}/sallyport`;
const tools = `${homeFolder}/tools`;
