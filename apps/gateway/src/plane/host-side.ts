import type { Host, HostState, HostWatch } from '@sallyport/hostnet';
import type { Mutex } from './mutex.ts';

/** Looks at link, addresses, routes and rules whenever the kernel says that they changed. */
export class HostSide {
  readonly #host: Host;
  readonly #mutex: Mutex;
  readonly #report: (differences: readonly string[]) => void;
  #state: HostState | null = null;
  #watch: HostWatch | null = null;

  /** What is reported was found while nothing else held the mutex, so it is not our own work half done. */
  constructor(host: Host, mutex: Mutex, report: (differences: readonly string[]) => void) {
    this.#host = host;
    this.#mutex = mutex;
    this.#report = report;
  }

  /** From now on this is what is wanted. */
  follow(state: HostState): void {
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return;
    void this.#watch?.close();
    this.#state = state;
    this.#watch = this.#host.watch(state, () => this.#look(state));
  }

  async stop(): Promise<void> {
    const watch = this.#watch;
    this.#state = null;
    this.#watch = null;
    await watch?.close();
  }

  #look(state: HostState): void {
    void this.#mutex.run(async () => {
      if (this.#state !== state) return;
      // What cannot be looked at is for the next sweep to say.
      const differences = await this.#host.verify(state).catch(() => []);
      if (differences.length > 0) this.#report(differences);
    });
  }
}
