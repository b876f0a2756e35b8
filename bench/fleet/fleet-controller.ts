import { fileURLToPath } from 'node:url';
import { type Cleanup, Daemon, until } from '@sallyport/testkit';
import { apiKey, freePort, temporaryFolder, unbounded } from '../processes.ts';
import type { Usage } from './probe.ts';

const main = fileURLToPath(new URL('../../apps/controller/src/main.ts', import.meta.url));
const probe = new URL('./probe.ts', import.meta.url).href;

/** The real controller with a probe in it. It can be killed and started again on the same data. */
export class FleetController {
  readonly port: number;
  readonly #probePort: number;
  readonly #dataDir: string;
  readonly #cleanup: Cleanup;
  readonly #nodeArguments: readonly string[];
  #daemon: Daemon;

  private constructor(cleanup: Cleanup, dataDir: string, ports: readonly [number, number]) {
    [this.port, this.#probePort] = ports;
    this.#dataDir = dataDir;
    this.#cleanup = cleanup;
    // For example --cpu-prof --cpu-prof-dir=FOLDER.
    this.#nodeArguments = (process.env.FLEET_NODE_ARGUMENTS ?? '').split(' ').filter((text) => text !== '');
    this.#daemon = this.#spawn();
  }

  static async start(cleanup: Cleanup): Promise<FleetController> {
    const [dataDir, port, probePort] = [await temporaryFolder(cleanup), await freePort(), await freePort()];
    const started = new FleetController(cleanup, dataDir, [port, probePort]);
    await started.#ready();
    return started;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  /** Kills it, and starts it again. Stalls are counted from the moment when it is ready, whose figures are returned. */
  async crash(): Promise<Usage> {
    await this.#daemon.kill('SIGKILL');
    this.#daemon = this.#spawn();
    await this.#ready();
    return this.usage();
  }

  /** Ends it, so that it writes profiles. */
  stop(): Promise<void> {
    return this.#daemon.kill('SIGTERM');
  }

  /** Figures of the process. `stall` is counted from the last call on. */
  async usage(): Promise<Usage> {
    return (await (await fetch(`http://127.0.0.1:${this.#probePort}/`)).json()) as Usage;
  }

  /** Calls the API. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely
  async call(method: string, path: string, body?: object): Promise<any> {
    const answer = await fetch(`http://127.0.0.1:${this.port}/tenants${path}`, {
      method,
      headers: { apikey: apiKey, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }

  #spawn(): Daemon {
    const listens = ['--listen', `127.0.0.1:${this.port}`, '--beacon-listen', '127.0.0.1:0', '--metrics-listen', 'off'];
    return Daemon.start(
      [
        ...this.#nodeArguments,
        '--import',
        probe,
        main,
        ...listens,
        ...['--data-dir', this.#dataDir, '--local-gateway', 'off'],
      ],
      {
        cleanup: this.#cleanup,
        env: { SALLYPORT_BOOTSTRAP_API_KEY: apiKey, FLEET_PROBE_PORT: String(this.#probePort), ...unbounded },
      },
    );
  }

  async #ready(): Promise<void> {
    await until(
      'the controller',
      async () => {
        if (!this.#daemon.running) throw new Error(this.#daemon.output);
        return (await fetch(`http://127.0.0.1:${this.port}/readyz`)).ok;
      },
      { everyMs: 20 },
    );
  }
}
