import { type MtuTarget, measureMtu } from './path-mtu.ts';

/** Bytes that the path to a gateway carries; null when unknown. */
export interface PathMtu {
  readonly gateway: string;
  readonly name: string;
  readonly carries: number | null;
}

interface Result {
  readonly way: string;
  readonly at: number;
  readonly carries: number | null;
}

/** Dependencies of an MtuWatch. */
export interface MtuWatchOptions {
  readonly targets: () => readonly MtuTarget[];
  readonly measure?: (target: MtuTarget) => Promise<number | null>;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

/** Measures the path MTU to gateways: soon after a path changed, and every minute. One gateway at a time. */
export class MtuWatch {
  readonly #options: Required<MtuWatchOptions>;
  readonly #results = new Map<string, Result>();
  #timer: NodeJS.Timeout | null = null;
  #looking = false;

  constructor(options: MtuWatchOptions) {
    this.#options = { measure: (target) => measureMtu(target), now: () => performance.now(), ...options };
  }

  /** Bytes that the path to each measured gateway carries, by id; null when unknown. */
  get carries(): ReadonlyMap<string, number | null> {
    return new Map([...this.#results].map(([gateway, { carries }]) => [gateway, carries]));
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), lookEveryMs).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Measures the gateways that are due. Does nothing while a measurement is running. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const current = this.#options.targets();
      const known = new Set(current.map(({ gateway }) => gateway));
      for (const gateway of this.#results.keys()) if (!known.has(gateway)) this.#results.delete(gateway);
      for (const target of current.filter((one) => this.#isDue(one)).slice(0, mostPerLook)) await this.#measure(target);
    } finally {
      this.#looking = false;
    }
  }

  /** Measures at most `mostPerLook` gateways, in parallel, because a user is waiting. */
  measureNow(): Promise<PathMtu[]> {
    const targets = this.#options.targets().slice(0, mostPerLook);
    return Promise.all(
      targets.map(async (target) => {
        const { gateway, name } = target;
        return { gateway, name, carries: await this.#measure(target) };
      }),
    );
  }

  async #measure(target: MtuTarget): Promise<number | null> {
    const { measure, now } = this.#options;
    const carries = await measure(target).catch(() => null);
    this.#results.set(target.gateway, { way: target.way, at: now(), carries });
    return carries;
  }

  #isDue({ gateway, way }: MtuTarget): boolean {
    const result = this.#results.get(gateway);
    return result === undefined || result.way !== way || this.#options.now() - result.at >= againAfterMs;
  }
}

const lookEveryMs = 2_000;
const againAfterMs = 60_000;
const mostPerLook = 20;
