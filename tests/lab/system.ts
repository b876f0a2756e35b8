import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DryRun, OperationName, RequestBody, ResponseBody } from '@sallyport/contract';
import { operations, privateKeyPlaceholder } from '@sallyport/contract';
import { type Cleanup, Daemon, type Host, patienceMs, until } from '@sallyport/testkit';
import { generateKeyPair } from './keys.ts';
import type { World } from './world.ts';

/** Returns a program of this repository, or of another version of it in the folder `tree`. */
export const program = (path: string, tree?: string): string =>
  tree === undefined ? fileURLToPath(new URL(`../../apps/${path}`, import.meta.url)) : join(tree, 'apps', path);

/** Creates a folder of the test. */
export async function temporaryFolder(cleanup: Cleanup): Promise<string> {
  cleanup.check();
  // Created and registered in one step, so that a stopped program leaves no folder behind.
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-'));
  cleanup.add(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The real controller in a namespace of the small internet, and its API. */
export class ControllerUnderTest {
  readonly url = 'http://203.0.113.10:8080';
  readonly apiKey = 'e2e-bootstrap-key-0123456789abcdefghij';
  readonly dataDir: string;
  readonly #world: World;
  readonly #host: Host;
  daemon!: Daemon;

  private constructor(world: World, host: Host, dataDir: string) {
    this.#world = world;
    this.#host = host;
    this.dataDir = dataDir;
  }

  static async start(world: World): Promise<ControllerUnderTest> {
    const controller = new ControllerUnderTest(
      world,
      await world.host('controller'),
      await temporaryFolder(world.cleanup),
    );
    await controller.start();
    return controller;
  }

  /** Starts the controller on the same data. */
  async start(): Promise<void> {
    this.daemon = Daemon.start(
      [
        program('controller/src/main.ts'),
        '--listen',
        '203.0.113.10:8080',
        '--public-url',
        this.url,
        '--data-dir',
        this.dataDir,
        '--local-gateway',
        'off',
      ],
      {
        cleanup: this.#world.cleanup,
        namespace: this.#world.space('controller'),
        env: { SALLYPORT_BOOTSTRAP_API_KEY: this.apiKey },
      },
    );
    await until('the controller to be ready', async () => {
      if (!this.daemon.running) return true;
      const answer = await this.#host.http(`${this.url}/readyz`);
      return 'status' in answer && answer.status === 200;
    });
    if (!this.daemon.running) throw new Error(`the controller ended:\n${this.daemon.output}`);
  }

  /** Calls an operation; throws with the problem on any status except its success status. */
  async call<N extends OperationName>(name: N, input: CallInput<N> = {}): Promise<ResponseBody<N>> {
    const { status, body } = await this.#send(name, input);
    if (status !== operations[name].status) throw new Error(`${name}: ${status} ${body}`);
    return (body === '' ? undefined : JSON.parse(body)) as ResponseBody<N>;
  }

  /** Calls it with `?dry-run=true` and returns the changes. */
  async dryRun<N extends OperationName>(name: N, input: CallInput<N> = {}): Promise<DryRun> {
    const { status, body } = await this.#send(name, input, '?dry-run=true');
    if (status !== 200) throw new Error(`${name} dry run: ${status} ${body}`);
    return JSON.parse(body) as DryRun;
  }

  async gatewayIs(id: string, status: string, timeoutMs = patienceMs): Promise<ResponseBody<'getGateway'>> {
    let last: unknown;
    return until(
      `gateway status ${status}`,
      async () => {
        const gateway = await this.call('getGateway', { params: { id } });
        last = gateway;
        return gateway.status === status ? gateway : null;
      },
      { timeoutMs },
    ).catch((error) => {
      throw new Error(`${(error as Error).message}; it is ${JSON.stringify(last)}`);
    });
  }

  /** Waits until the gateway has applied the tenant's newest revision. */
  async converged(id: string): Promise<void> {
    let last: unknown;
    await until(`gateway ${id} to have applied everything`, async () => {
      const { statistics, status, error } = await this.call('getGateway', { params: { id } });
      last = { statistics, status, error };
      return status !== 'ERROR' && statistics?.lag === 0;
    }).catch((error) => {
      throw new Error(`${(error as Error).message}; it is ${JSON.stringify(last)}`);
    });
  }

  async #send<N extends OperationName>(
    name: N,
    input: CallInput<N>,
    query = '',
  ): Promise<{ status: number; body: string }> {
    const { method, path } = operations[name];
    const url = `${this.url}${path.replace(/\{(\w+)\}/g, (_, key: string) => input.params?.[key] ?? '')}${query}`;
    const answer = await this.#host.http(url, {
      method,
      headers: { apikey: this.apiKey, 'content-type': 'application/json' },
      ...(input.body === undefined ? {} : { body: JSON.stringify(input.body) }),
      timeoutMs: 35_000,
    });
    if ('error' in answer) throw new Error(`${method} ${url}: ${answer.error}`);
    return answer;
  }

  /**
   * Registers a plain device, with or without an owner, with a key created here. Returns the wg-quick configuration.
   */
  async addDevice(name: string, user?: string): Promise<TestDevice> {
    const keys = generateKeyPair();
    const body = { name, publicKey: keys.publicKey, ...(user !== undefined && { user }) };
    const device = await this.call('createDevice', { body });
    return { id: device.id, privateKey: keys.privateKey, addresses: device.overlayAddresses ?? [] };
  }

  /** Returns the configuration that the owner of a device exports; `query` such as `?ipv6=false`. */
  async deviceConfiguration(device: TestDevice, query = ''): Promise<string> {
    const answer = await this.#send('getDeviceConfiguration', { params: { id: device.id } }, query);
    if (answer.status !== 200) throw new Error(answer.body);
    const { text } = operations.getDeviceConfiguration.response.parse(JSON.parse(answer.body));
    return text.replace(privateKeyPlaceholder, device.privateKey);
  }
}

interface CallInput<N extends OperationName> {
  readonly params?: Record<string, string>;
  readonly body?: RequestBody<N>;
}

/** A plain device of a test. */
export interface TestDevice {
  readonly id: string;
  readonly privateKey: string;
  readonly addresses: readonly string[];
}

/** The real gateway agent in a namespace. */
export class GatewayUnderTest {
  readonly interface: string;
  readonly stateDir: string;
  readonly #program: string;
  readonly #world: World;
  readonly #place: string;
  daemon!: Daemon;

  private constructor(world: World, place: string, stateDir: string, tree?: string) {
    this.#program = program('gateway/src/main.ts', tree);
    this.#world = world;
    this.#place = place;
    this.stateDir = stateDir;
    this.interface = world.interfaceName(`g${place}`);
  }

  static async start(
    world: World,
    controller: ControllerUnderTest,
    token: string,
    place: string = 'gateway',
    tree?: string,
  ): Promise<GatewayUnderTest> {
    const gateway = new GatewayUnderTest(world, place, await temporaryFolder(world.cleanup), tree);
    world.cleanup.add(async () => {
      await gateway.down();
    });
    gateway.start(controller, token);
    return gateway;
  }

  start(controller: ControllerUnderTest, token: string): void {
    this.daemon = Daemon.start(
      [this.#program, 'run', '--controller', controller.url, '--token-file', '-', ...this.#where, '--insecure'],
      {
        cleanup: this.#world.cleanup,
        namespace: this.#world.space(this.#place),
        input: `${token}\n`,
      },
    );
  }

  /** Runs `sally gateway down` and returns its output. */
  async down(): Promise<string> {
    await this.daemon.kill('SIGKILL');
    return this.#run('down', ...this.#where);
  }

  /** Runs `sally gateway status` and returns its output. */
  status(): Promise<string> {
    return this.#run('status', '--state-dir', this.stateDir);
  }

  #run(...args: string[]): Promise<string> {
    return this.#world.space(this.#place).exec(process.execPath, program('gateway/src/main.ts'), ...args);
  }

  get #where(): string[] {
    return ['--state-dir', this.stateDir, '--interface', this.interface];
  }
}

/** Starts a plain device with the system's wg-quick, as its owner would. */
export async function wgQuickUp(world: World, place: string, configuration: string): Promise<string> {
  const folder = await temporaryFolder(world.cleanup);
  const name = world.interfaceName(place);
  const file = join(folder, `${name}.conf`);
  await writeFile(file, configuration, { mode: 0o600 });
  const space = world.space(place);
  await space.exec('env', 'WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go', 'wg-quick', 'up', file);
  world.cleanup.add(async () => {
    await space.exec('ip', 'link', 'del', name).catch(() => undefined);
  });
  return name;
}
