import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Cleanup, until } from '@sallyport/testkit';
import { type FleetOrder, type FleetReport, together } from './orders.ts';

const program = fileURLToPath(new URL('./agents-process.ts', import.meta.url));

/** Processes of simulated agents. */
export class Simulators {
  readonly #children: readonly ChildProcess[];
  readonly #waiting = new Map<number, (report: FleetReport) => void>();
  #orders = 0;
  #agents = 0;

  /** The clean-up ends them. */
  constructor(processes: number, cleanup: Cleanup) {
    cleanup.check();
    this.#children = Array.from({ length: processes }, () => fork(program, { stdio: 'inherit' }));
    for (const child of this.#children) {
      child.on('message', ({ id, report }: { id: number; report: FleetReport }) => this.#answer(id, report));
      cleanup.add(() => void child.kill('SIGKILL'));
    }
  }

  /** Lets new agents connect, spread over the processes. */
  async connect(url: string, tokens: readonly string[], strict: boolean): Promise<void> {
    const count = this.#children.length;
    await Promise.all(
      this.#children.map((child, at) => {
        const own = tokens.filter((_, n) => n % count === at);
        const firstAddress = this.#agents + at * Math.ceil(tokens.length / count);
        return this.#order(child, { kind: 'connect', tokens: own, url, strict, firstAddress });
      }),
    );
    this.#agents += tokens.length + count;
  }

  /** Counts from now on. */
  async mark(): Promise<void> {
    await Promise.all(this.#children.map((child) => this.#order(child, { kind: 'mark' })));
  }

  /** Returns what all agents have received. Throws when the controller did something wrong. */
  async report(): Promise<FleetReport> {
    const all = together(await Promise.all(this.#children.map((child) => this.#order(child, { kind: 'report' }))));
    if (all.faults.length > 0) throw new Error(all.faults.join('\n'));
    return all;
  }

  /** Waits until all agents are live and have acknowledged a state. */
  async settled(timeoutMs = 120_000): Promise<void> {
    let last = '';
    await until(
      'all agents to be live',
      async () => {
        const { gateway, device } = await this.report();
        last = JSON.stringify({ gateway, device });
        return [gateway, device].every(({ agents, live, acknowledged }) => live === agents && acknowledged === agents);
      },
      { timeoutMs, everyMs: 100 },
    ).catch((error: Error) => {
      throw new Error(`${error.message}: ${last}`, { cause: error });
    });
  }

  #order(child: ChildProcess, order: FleetOrder): Promise<FleetReport> {
    const id = ++this.#orders;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, resolve);
      child.send({ id, order }, (error) => {
        if (error) reject(error);
      });
    });
  }

  #answer(id: number, report: FleetReport): void {
    this.#waiting.get(id)?.(report);
    this.#waiting.delete(id);
  }
}
