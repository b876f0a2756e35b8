import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleItem, classItem, deviceItem, gatewayItem, profileItem } from '@sallyport/agent-core/testing';
import { ControllerProcess, type ControllerState } from '@sallyport/agent-runtime/testing';
import type { AgentMessage, DeviceItem, StateItem } from '@sallyport/contract/channel';
import { formatEnrolmentToken } from '@sallyport/contract/channel';
import { Cleanup, cable, Daemon, exec, Host, Namespace, uniqueTag, until } from '@sallyport/testkit';
import { privateKeyFrom, publicKeyOf, userspaceBackend } from '@sallyport/wireguard';

/** Addresses: the device at 192.0.2.2, the gateway at 192.0.2.1 and 10.20.0.1, the private server at 10.20.0.10. */
export const serverAddress = '10.20.0.10';
/** IPv6 address of the private server. */
export const serverAddress6 = 'fd20::10';
/** UDP port of the gateway's WireGuard. */
export const wireguardPort = 51820;
const controllerPort = 7000;

/**
 * A device, a gateway and a private server, each in its own namespace; the scripted controller runs beside the gateway.
 * The gateway runs the real agent program.
 */
export class World {
  readonly cleanup = new Cleanup();
  readonly gatewayId = crypto.randomUUID();
  readonly #tag = uniqueTag();
  readonly #devicePrivateKey = privateKeyFrom(randomBytes(32));
  stateDir = '';
  token = '';
  controller!: ControllerProcess;
  gateway!: Namespace;
  device!: Host;
  server!: Host;
  agent!: Daemon;

  static async create(): Promise<World> {
    const world = new World();
    try {
      await world.#build();
      return world;
    } catch (error) {
      await world.cleanup.run();
      throw error;
    }
  }

  get interface(): string {
    return `spg${this.#tag}`;
  }

  get deviceInterface(): string {
    return `spd${this.#tag}`;
  }

  /** The only device, as the controller describes it. */
  deviceItem(over: Partial<DeviceItem> = {}): DeviceItem {
    return deviceItem(1, { publicKey: publicKeyOf(this.#devicePrivateKey), ...over });
  }

  /** A gateway that lets the device reach TCP 80 and ICMP of the server. */
  items(): StateItem[] {
    return [
      gatewayItem({ listenPort: wireguardPort }),
      this.deviceItem(),
      profileItem('p1', [{ class: 'c1', bundle: 'b1', expiresAt: null }]),
      classItem('c1', [`${serverAddress}-${serverAddress}`, `${serverAddress6}-${serverAddress6}`]),
      bundleItem('b1', [
        { protocol: 'tcp', from: 80, to: 80, policy: 'web' },
        { protocol: 'icmp', from: 0, to: 65535, policy: 'web' },
      ]),
    ];
  }

  startAgent(more: readonly string[] = [], input: string = `${this.token}\n`, wrapper: readonly string[] = []): Daemon {
    this.agent = Daemon.start(
      [
        mainProgram,
        'run',
        '--controller',
        `http://127.0.0.1:${controllerPort}`,
        '--token-file',
        '-',
        ...this.where,
        ...more,
      ],
      { cleanup: this.cleanup, namespace: this.gateway, input, wrapper },
    );
    return this.agent;
  }

  /** Runs a command of the gateway program to its end. */
  async command(...args: string[]): Promise<string> {
    return this.gateway.exec(process.execPath, mainProgram, ...args, ...this.where);
  }

  get where(): string[] {
    return ['--state-dir', this.stateDir, '--interface', this.interface];
  }

  /** Waits until the agent has reported the controller's current state as applied. */
  async applied(): Promise<void> {
    const { hash, revision } = await this.controller.state();
    await until(`revision ${revision} to be applied`, async () =>
      (await this.controller.heard()).some(
        (message) => message.type === 'applied' && message.hash === hash && message.revision.number === revision,
      ),
    ).catch((error) => {
      throw new Error(`${(error as Error).message}; the agent said:\n${this.agent.output}`);
    });
  }

  /** Configures the device's WireGuard with the gateway as its peer. */
  async deviceUp(): Promise<void> {
    const { namespace } = this.device;
    const name = this.deviceInterface;
    await namespace.exec('wireguard-go', name);
    this.cleanup.add(async () => {
      await namespace.ip('link', 'del', name);
    });
    const { wireguardPublicKey } = await lastHeard(this.controller, 'authenticate');
    await userspaceBackend().apply(name, {
      privateKey: this.#devicePrivateKey,
      peers: [
        {
          kind: 'set',
          peer: {
            publicKey: wireguardPublicKey,
            endpoint: `192.0.2.1:${wireguardPort}`,
            allowedIps: ['0.0.0.0/0', '::/0'],
          },
        },
      ],
    });
    for (const address of this.deviceItem().addresses) {
      await namespace.ip('addr', 'add', address, 'dev', name, ...(address.includes(':') ? ['nodad'] : []));
    }
    await namespace.ip('link', 'set', name, 'up', 'mtu', '1280');
    await namespace.ip('route', 'add', '10.20.0.0/24', 'dev', name);
    await namespace.ip('-6', 'route', 'add', 'fd20::/64', 'dev', name);
  }

  async #build(): Promise<void> {
    const { cleanup } = this;
    const tag = this.#tag;
    this.stateDir = await mkdtemp(join(tmpdir(), 'sallyport-gateway-'));
    cleanup.add(() => rm(this.stateDir, { recursive: true, force: true }));
    this.gateway = await Namespace.create(`spgw${tag}`, cleanup);
    const outside = await Namespace.create(`spdev${tag}`, cleanup);
    const inside = await Namespace.create(`splan${tag}`, cleanup);
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((letter) => `v${letter}${tag}`) as [string, string, string, string];
    await cable(
      { namespace: outside, interface: a, addresses: ['192.0.2.2/24'] },
      { namespace: this.gateway, interface: b, addresses: ['192.0.2.1/24'] },
    );
    await cable(
      { namespace: this.gateway, interface: c, addresses: ['10.20.0.1/24', 'fd20::1/64'] },
      { namespace: inside, interface: d, addresses: [`${serverAddress}/24`, `${serverAddress6}/64`] },
    );
    this.device = await Host.start(outside, cleanup);
    this.server = await Host.start(inside, cleanup);
    await this.server.listenTcp(80);
    await this.server.listenTcp(81);
    await this.server.listenUdp(80);
    await this.#startController();
    cleanup.add(async () => {
      await this.agent?.kill('SIGKILL');
      await this.command('down');
    });
  }

  async #startController(): Promise<void> {
    const secret = randomBytes(32).toString('base64url');
    this.controller = ControllerProcess.start(this.gateway.name);
    this.cleanup.add(() => this.controller.kill());
    // The token contains the controller's fingerprint, so the key must exist first.
    const { controllerKey } = await this.controller.call<ControllerState>({
      op: 'listen',
      port: controllerPort,
      host: '127.0.0.1',
      agent: this.gatewayId,
      token: null,
      leaseMs: 3_600_000,
    });
    const fingerprint = createHash('sha256').update(Buffer.from(controllerKey, 'base64')).digest().subarray(0, 16);
    this.token = formatEnrolmentToken({
      role: 'gateway',
      agent: this.gatewayId,
      secret,
      controllerFingerprint: fingerprint.toString('base64url'),
    });
    await this.controller.call({ op: 'expect-token', token: this.token });
  }
}

/** Waits for a message of this type from the agent and returns the last one. */
export function lastHeard<T extends AgentMessage['type']>(
  controller: ControllerProcess,
  type: T,
): Promise<Extract<AgentMessage, { type: T }>> {
  return until(`the agent to say ${type}`, async () =>
    (await controller.heard()).findLast(
      (message): message is Extract<AgentMessage, { type: T }> => message.type === type,
    ),
  ) as Promise<Extract<AgentMessage, { type: T }>>;
}

/** Returns the traces of a data plane in a namespace, one line each. */
export async function traces(namespace: Namespace, name: string): Promise<string[]> {
  const [links, rules4, rules6, routes4, routes6, tables, processes] = await Promise.all([
    namespace.ip('-o', 'link'),
    namespace.ip('-4', 'rule'),
    namespace.ip('-6', 'rule'),
    namespace.ip('-4', 'route', 'show', 'table', 'all'),
    namespace.ip('-6', 'route', 'show', 'table', 'all'),
    namespace.exec('nft', 'list', 'tables'),
    exec('pgrep', ['-af', `wireguard-go ${name}`]).catch(() => ''),
  ]);
  const all = [links, rules4, rules6, routes4, routes6, tables, processes].join('\n').split('\n');
  return all.filter(
    (line) =>
      line.includes(name) ||
      /\bsallyport[_-]/.test(line) ||
      line.includes('blackhole') ||
      /\b100\.64\.|fd00:5a11/.test(line),
  );
}

const mainProgram = fileURLToPath(new URL('../main.ts', import.meta.url));
