import { existsSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type ClientStatus,
  LocalReply,
  type LocalRequest,
  type PingReply,
  socketName,
} from '@sallyport/contract/local';
import { programArguments } from '@sallyport/program/place';
import { Daemon, type Host, patienceMs, until } from '@sallyport/testkit';
import type { ControllerApi } from './controller-api.ts';
import { program, temporaryFolder } from './system.ts';
import type { World } from './world.ts';

/** How a client runs. */
export interface ClientWish {
  /** Owner of the device. */
  readonly user?: string;
  readonly args?: readonly string[];
  /** Folder of another version of this repository, whose client runs. */
  readonly tree?: string;
  /** Folder of a built package, whose client runs as its `bin/sally` starts it. */
  readonly built?: string;
}

/** The native client of a device, as `sally up` runs it, in a namespace. Its id is the device's id. */
export class ClientUnderTest {
  readonly id: string;
  readonly place: string;
  readonly host: Host;
  readonly interface: string;
  readonly stateDir: string;
  readonly #program: readonly string[];
  /** Whether the client is of another version, which may lack arguments of this one. */
  readonly #foreign: boolean;
  readonly #environment: Record<string, string>;
  readonly #world: World;
  readonly #controller: ControllerApi;
  daemon!: Daemon;

  private constructor(
    { world, controller }: { world: World; controller: ControllerApi },
    place: string,
    host: Host,
    id: string,
    stateDir: string,
    { tree, built }: ClientWish,
  ) {
    this.#foreign = tree !== undefined;
    this.#program =
      built === undefined
        ? [program('client/src/main.ts', tree)]
        : [...programArguments('client').slice(0, -1), join(built, 'programs/client.js')];
    this.#environment = built === undefined ? {} : { NODE_COMPILE_CACHE: join(built, 'cache') };
    this.#world = world;
    this.#controller = controller;
    this.place = place;
    this.host = host;
    this.id = id;
    this.stateDir = stateDir;
    this.interface = world.interfaceName(`d${place}`);
  }

  /** Starts the client with its own enrolment key; it belongs to `user`, or has no owner. */
  static async up(
    world: World,
    controller: ControllerApi,
    place: string,
    wish: ClientWish = {},
  ): Promise<ClientUnderTest> {
    const { user, args = [] } = wish;
    const body = { name: place, ...(user !== undefined && { user }) };
    const { id, key } = await controller.call('createEnrolmentKey', { body });
    const [host, folder] = [await world.host(place), await temporaryFolder(world.cleanup)];
    const client = new ClientUnderTest({ world, controller }, place, host, id, folder, wish);
    world.cleanup.add(async () => {
      await client.down();
    });
    client.start(key, args);
    return client;
  }

  /** Starts the client; only the first start needs a key. */
  start(key?: string, args: readonly string[] = []): void {
    const where = ['--state-dir', this.stateDir, '--interface', this.interface, '--controller', this.#controller.url];
    this.daemon = Daemon.start(
      [
        ...[...this.#program, 'run', '--insecure', ...where, ...this.#dns(), ...args],
        ...(key === undefined ? [] : ['--enrolment-key-file', '-']),
      ],
      {
        cleanup: this.#world.cleanup,
        namespace: this.#world.space(this.place),
        env: this.#environment,
        ...(key !== undefined && { input: `${key}\n` }),
      },
    );
  }

  /** A place without a `resolv.conf` of its own sees that of this machine, which stays as it is. */
  #dns(): string[] {
    return this.#foreign || existsSync(`/etc/netns/${this.#world.space(this.place).name}/resolv.conf`)
      ? []
      : ['--dns', 'off'];
  }

  /** Runs `sally down` and returns its output. */
  async down(): Promise<string> {
    await this.daemon.kill('SIGKILL');
    return this.run('down');
  }

  /** Runs another command of `sally` on this host. */
  run(command: string, ...args: string[]): Promise<string> {
    const sally = fileURLToPath(new URL('../../bin/sally', import.meta.url));
    return this.#world.space(this.place).exec(sally, command, '--state-dir', this.stateDir, ...args);
  }

  async status(): Promise<ClientStatus> {
    const reply = await this.#ask({ op: 'status' });
    if (reply.type !== 'status') throw new Error(JSON.stringify(reply));
    return reply.status;
  }

  async ping(target: string, timeoutMs = 2000): Promise<PingReply> {
    const reply = await this.#ask({ op: 'ping', target, timeoutMs });
    if (reply.type !== 'ping') throw new Error(JSON.stringify(reply));
    return reply;
  }

  /** Waits until the status satisfies a condition. The error contains the status and the daemon's output. */
  async is(what: string, wanted: (status: ClientStatus) => boolean, timeoutMs = patienceMs): Promise<ClientStatus> {
    let last: unknown;
    const look = async () => {
      last = await this.status().catch((error: Error) => error.message);
      return typeof last === 'object' && wanted(last as ClientStatus) ? (last as ClientStatus) : null;
    };
    return until(what, look, { timeoutMs, everyMs: 30 }).catch((error: Error) => {
      const [ours, theirs] = [this.daemon, this.#controller].map(({ output }) => output.slice(-3000));
      const state = JSON.stringify(last, null, 1);
      throw new Error(`${error.message}; it is ${state}\nclient:\n${ours}\ncontroller:\n${theirs}`);
    });
  }

  /** The socket is a file, so any namespace reaches it. */
  #ask(request: LocalRequest): Promise<LocalReply> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(join(this.stateDir, socketName));
      let text = '';
      socket.setEncoding('utf8').setTimeout(15_000, () => socket.destroy(new Error('the daemon does not answer')));
      socket.on('error', reject);
      socket.on('data', (data) => {
        text += data;
        const end = text.indexOf('\n');
        if (end < 0) return;
        socket.destroy();
        try {
          resolve(LocalReply.parse(JSON.parse(text.slice(0, end))));
        } catch (error) {
          reject(error);
        }
      });
      socket.on('close', () => reject(new Error(`the daemon hung up: ${text}`)));
      socket.write(`${JSON.stringify(request)}\n`);
    });
  }
}
