import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Cleanup, Namespace } from '@sallyport/testkit';

/** A server behind the balancer. */
export interface Backend {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** An order to the process of a balancer. Each one is answered. */
export type BalancerOrder =
  | {
      readonly kind: 'listen';
      readonly address: string;
      readonly port: number;
      readonly backends: readonly Backend[];
    }
  /** New connections go to these servers only; null: to all. */
  | { readonly kind: 'use'; readonly names: readonly string[] | null };

const program = fileURLToPath(new URL('./balancer-process.ts', import.meta.url));

/** A load balancer in a namespace or on this host, in front of controllers. */
export class Balancer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, () => void>();
  #orders = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', ({ id }: { id: number }) => {
      this.#waiting.get(id)?.();
      this.#waiting.delete(id);
    });
  }

  static async start(
    cleanup: Cleanup,
    namespace: Namespace | null,
    where: Omit<Extract<BalancerOrder, { kind: 'listen' }>, 'kind'>,
  ): Promise<Balancer> {
    cleanup.check();
    const inside = namespace === null ? [] : ['ip', 'netns', 'exec', namespace.name];
    const [file = '', ...args] = [...inside, process.execPath, program];
    const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    cleanup.add(() => void child.kill('SIGKILL'));
    const balancer = new Balancer(child);
    await balancer.#order({ kind: 'listen', ...where });
    return balancer;
  }

  /** New connections go to these servers only. Those that there are stay. Null: to all servers. */
  use(names: readonly string[] | null): Promise<void> {
    return this.#order({ kind: 'use', names });
  }

  #order(order: BalancerOrder): Promise<void> {
    const id = ++this.#orders;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, resolve);
      this.#child.once('exit', () => reject(new Error('the balancer ended')));
      this.#child.send({ id, order }, (error) => error && reject(error));
    });
  }
}
