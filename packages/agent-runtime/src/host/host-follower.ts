import type { HostWatch } from '@sallyport/hostnet';
import { failureOf } from '../failure.ts';
import type { Mutex } from '../mutex.ts';

/** What a follower needs of the host. */
export interface FollowedHost<S> {
  /** Calls `changed` whenever the host may have come to differ from the state, until it is closed. */
  watch(state: S, changed: () => void, failed: (error: unknown) => void): HostWatch;
  /** What is not as wanted, a sentence each. */
  differences(state: S): Promise<readonly string[]>;
  /** Told what is not as wanted, or why it cannot be seen. */
  report(differences: readonly string[]): void;
}

/**
 * Looks at a host whenever the kernel says that it changed. It looks while nothing else holds the mutex, so what it reports
 * is not our own work half done.
 */
export class HostFollower<S> {
  readonly #host: FollowedHost<S>;
  readonly #mutex: Mutex;
  #state: S | null = null;
  #watch: HostWatch | null = null;

  constructor(mutex: Mutex, host: FollowedHost<S>) {
    this.#mutex = mutex;
    this.#host = host;
  }

  /** Follows the host by this state from now on. */
  follow(state: S): void {
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return;
    void this.#watch?.close();
    this.#state = state;
    this.#watch = this.#host.watch(
      state,
      () => this.#look(state),
      (error) => this.#host.report([`what the host reports could not be followed: ${failureOf(error).message}`]),
    );
  }

  /** Ends the watch. */
  async stop(): Promise<void> {
    const watch = this.#watch;
    this.#state = null;
    this.#watch = null;
    await watch?.close();
  }

  #look(state: S): void {
    void this.#mutex.run(async () => {
      if (this.#state !== state) return;
      const differences = await this.#host.differences(state).catch((error) => [failureOf(error).message]);
      if (differences.length > 0) this.#host.report(differences);
    });
  }
}
