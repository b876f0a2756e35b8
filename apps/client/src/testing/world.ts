import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { clientItem, routeItem } from '@sallyport/agent-core/testing';
import { ControllerProcess, type ControllerState } from '@sallyport/agent-runtime/testing';
import {
  type AgentMessage,
  formatEnrolmentToken,
  type ResourceItem,
  type StateItem,
} from '@sallyport/contract/channel';
import type { ClientStatus, LocalReply, LocalRequest } from '@sallyport/contract/local';
import { Cleanup, cable, Daemon, Host, Namespace, patienceMs, uniqueTag, until } from '@sallyport/testkit';
import { LocalConnection } from '../local/client.ts';
import { FakeGateway } from './gateway.ts';

/** The destination behind both gateways. */
export const serverAddress = '10.20.0.10';
/** The destination that only a full tunnel reaches. */
export const publicAddress = '11.1.1.10';
const controllerPort = 7000;
/** The client's main program. */
export const mainProgram = fileURLToPath(new URL('../main.ts', import.meta.url));

/**
 * A device (192.0.2.2), two gateways (192.0.2.11 and .12) and a scripted controller (192.0.2.10) at one switch, each in
 * its own namespace. The device runs the real client program.
 */
export class World {
  readonly cleanup = new Cleanup();
  readonly deviceId = crypto.randomUUID();
  readonly tag = uniqueTag();
  stateDir = '';
  key = '';
  controller!: ControllerProcess;
  switch!: Namespace;
  /** Where the controller is. */
  control!: Namespace;
  device!: Host;
  gateways: FakeGateway[] = [];
  daemon!: Daemon;

  static async create(t: { after(step: () => Promise<void>): void }): Promise<World> {
    const world = new World();
    t.after(() => world.cleanup.run());
    await world.#build();
    return world;
  }

  get interface(): string {
    return `spc${this.tag}`;
  }

  get url(): string {
    return `http://192.0.2.10:${controllerPort}`;
  }

  gateway(n: 1 | 2): FakeGateway {
    const found = this.gateways[n - 1];
    if (found === undefined) throw new Error(`no gateway ${n}`);
    return found;
  }

  /** State of the device: both gateways carry the server, the first has preference. */
  items(): StateItem[] {
    const wiki: ResourceItem = { kind: 'resource', key: 'resource/wiki', id: 'wiki', name: 'wiki', denied: null };
    return [
      clientItem(),
      ...this.gateways.map((gateway) => gateway.item()),
      routeItem(`${serverAddress}/32`, [1, 2], { mode: 'MANUAL', resources: ['wiki'] }),
      wiki,
    ];
  }

  startDaemon(more: readonly string[] = [], input = `${this.key}\n`, env: Record<string, string> = {}): Daemon {
    const args = ['run', '--controller', this.url, '--insecure', '--enrolment-key-file', '-'];
    this.daemon = Daemon.start([mainProgram, ...args, ...this.#own, ...more], {
      cleanup: this.cleanup,
      namespace: this.device.namespace,
      input,
      env,
    });
    return this.daemon;
  }

  /** Runs a command of the client to its end. */
  command(name: string, ...args: string[]): Promise<string> {
    return this.device.namespace.exec(process.execPath, mainProgram, name, '--state-dir', this.stateDir, ...args);
  }

  async ask(request: LocalRequest): Promise<LocalReply> {
    const connection = await LocalConnection.open(this.stateDir);
    if (connection === null) throw new Error('no daemon listens');
    const reply = await connection.ask(request);
    connection.close();
    if (reply === null) throw new Error('the daemon hung up');
    return reply;
  }

  async status(): Promise<ClientStatus> {
    const reply = await this.ask({ op: 'status' });
    if (reply.type !== 'status') throw new Error(JSON.stringify(reply));
    return reply.status;
  }

  /**
   * Waits until the daemon's status satisfies a condition. The error contains the last status and the daemon's output.
   */
  async is(what: string, wanted: (status: ClientStatus) => boolean, timeoutMs = patienceMs): Promise<ClientStatus> {
    let last: unknown;
    const look = async () => {
      const status = await this.status();
      last = status;
      return wanted(status) ? status : null;
    };
    return until(what, look, { timeoutMs, everyMs: 20 }).catch((error: Error) => {
      throw new Error(`${error.message}; it is ${JSON.stringify(last, null, 1)}\n${this.daemon.output.slice(-5000)}`);
    });
  }

  /** Enrols the device and waits until it reaches the server. */
  async up(): Promise<void> {
    await this.controller.change(this.items());
    this.startDaemon();
    await this.admitted();
    await this.reaches();
  }

  /** Adds the device to the gateways as soon as its key is known. */
  async admitted(): Promise<void> {
    const hello = await until('the device to enrol', async () =>
      (await this.controller.heard()).findLast((message) => message.type === 'authenticate'),
    ).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.daemon.output}`);
    });
    const { wireguardPublicKey } = hello as Extract<AgentMessage, { type: 'authenticate' }>;
    const { addresses } = clientItem();
    const single = addresses.map((address) => address.replace(/\/\d+$/, ''));
    await Promise.all(this.gateways.map((gateway) => gateway.admit(wireguardPublicKey, single)));
  }

  async reaches(address = serverAddress, timeoutMs = patienceMs): Promise<void> {
    await until(`an answer of ${address}`, () => this.answers(address), { timeoutMs }).catch(async (error: Error) => {
      const status = JSON.stringify(await this.status().catch(String), null, 1);
      throw new Error(`${error.message}\n${status}\n${this.daemon.output.slice(-5000)}`);
    });
  }

  async answers(address = serverAddress): Promise<boolean> {
    return (await this.device.tcp(address, 80, { timeoutMs: 300 })) === 'ok';
  }

  get #own(): string[] {
    return ['--state-dir', this.stateDir, '--interface', this.interface];
  }

  async #build(): Promise<void> {
    const { cleanup, tag } = this;
    this.stateDir = await mkdtemp(join(tmpdir(), 'sallyport-client-'));
    cleanup.add(() => rm(this.stateDir, { recursive: true, force: true }));
    const space = (name: string) => Namespace.create(`spc-${name}-${tag}`, cleanup);
    this.switch = await space('net');
    await this.switch.ip('link', 'add', 'br0', 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0');
    await this.switch.ip('link', 'set', 'br0', 'up');
    const [device, controller, first, second] = await Promise.all(['dev', 'ctl', 'gw1', 'gw2'].map(space));
    if (!device || !controller || !first || !second) throw new Error('no namespaces');
    await this.plug(device, 'device', '192.0.2.2/24');
    this.control = controller;
    await this.plug(controller, 'control', '192.0.2.10/24');
    this.device = await Host.start(device, cleanup);
    for (const [index, namespace] of [first, second].entries()) {
      const address = `192.0.2.${11 + index}`;
      await this.plug(namespace, `gw${index + 1}`, `${address}/24`);
      const behind = [serverAddress, publicAddress];
      const name = `sp${index + 1}g${tag}`;
      this.gateways.push(await FakeGateway.start(index + 1, namespace, name, address, behind, cleanup));
    }
    await this.#startController(controller);
    cleanup.add(async () => {
      await this.daemon?.kill('SIGKILL');
      await this.command('down');
    });
  }

  /** Connects a namespace's `eth0` to the switch with a cable. */
  async plug(namespace: Namespace, port: string, address: string): Promise<void> {
    await cable(
      { namespace, interface: 'eth0', addresses: [address] },
      { namespace: this.switch, interface: port, addresses: [] },
    );
    await this.switch.ip('link', 'set', port, 'master', 'br0');
  }

  /** The enrolment key contains the controller's fingerprint, so the controller's own key must exist first. */
  async #startController(namespace: Namespace): Promise<void> {
    this.controller = ControllerProcess.start(namespace.name);
    this.cleanup.add(() => this.controller.kill());
    const { controllerKey } = await this.controller.call<ControllerState>({
      op: 'listen',
      host: '192.0.2.10',
      port: controllerPort,
      agent: this.deviceId,
      token: null,
      leaseMs: 3_600_000,
    });
    const fingerprint = createHash('sha256').update(Buffer.from(controllerKey, 'base64')).digest().subarray(0, 16);
    this.key = formatEnrolmentToken({
      role: 'device',
      agent: this.deviceId,
      secret: randomBytes(32).toString('base64url'),
      controllerFingerprint: fingerprint.toString('base64url'),
    });
    await this.controller.call({ op: 'expect-token', token: this.key });
  }
}

/** Returns everything that `sally down` must restore in a namespace, as text: links, rules, routes, nftables. */
export async function networkText(namespace: Namespace): Promise<string> {
  const parts = await Promise.all([
    namespace.ip('-o', 'link'),
    namespace.ip('-o', 'address'),
    namespace.ip('-4', 'rule'),
    namespace.ip('-6', 'rule'),
    namespace.ip('-4', 'route', 'show', 'table', 'all'),
    namespace.ip('-6', 'route', 'show', 'table', 'all'),
    namespace.exec('nft', 'list', 'ruleset'),
    namespace.exec(
      'sysctl',
      '-a',
      '--pattern',
      'net\\.ipv[46]\\.conf\\.(all|default)\\.(rp_filter|src_valid_mark|forwarding)',
    ),
  ]);
  return parts.join('\n').replace(/valid_lft.*|preferred_lft.*/g, '');
}
