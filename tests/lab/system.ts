import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Cleanup, Daemon, type Host, until } from '@sallyport/testkit';
import { ControllerApi } from './controller-api.ts';
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

/** A busy machine loads the program for a minute. */
const startMs = 180_000;

/** How a controller runs. */
export interface ControllerWish {
  /** Namespace, and the address in it. */
  readonly place?: string;
  readonly address?: string;
  /** Address that agents are told, when it is not its own. */
  readonly publicUrl?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The real controller in a namespace of a lab, and its API. */
export class ControllerUnderTest extends ControllerApi {
  readonly url: string;
  readonly dataDir: string;
  readonly place: string;
  readonly #world: World;
  readonly #wish: ControllerWish;
  daemon!: Daemon;

  private constructor(world: World, host: Host, dataDir: string, wish: ControllerWish) {
    super(host);
    this.url = `http://${wish.address ?? '203.0.113.10'}:8080`;
    this.place = wish.place ?? 'controller';
    this.#world = world;
    this.dataDir = dataDir;
    this.#wish = wish;
  }

  static async start(world: World, wish: ControllerWish = {}): Promise<ControllerUnderTest> {
    const host = await world.host('controller');
    const controller = new ControllerUnderTest(world, host, await temporaryFolder(world.cleanup), wish);
    await controller.start();
    return controller;
  }

  get output(): string {
    return this.daemon.output;
  }

  /** Starts the controller on the same data. */
  async start(): Promise<void> {
    const { publicUrl = this.url, env } = this.#wish;
    const where = ['--listen', new URL(this.url).host, '--public-url', publicUrl, '--data-dir', this.dataDir];
    this.daemon = Daemon.start([program('controller/src/main.ts'), ...where, '--local-gateway', 'off'], {
      cleanup: this.#world.cleanup,
      namespace: this.#world.space(this.place),
      env: { SALLYPORT_BOOTSTRAP_API_KEY: this.apiKey, ...env },
    });
    const ready = async () => !this.daemon.running || (await this.isReady());
    await until('the controller to be ready', ready, { timeoutMs: startMs });
    if (!this.daemon.running) throw new Error(`the controller ended:\n${this.daemon.output}`);
  }
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
    controller: ControllerApi,
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

  start(controller: ControllerApi, token: string): void {
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
