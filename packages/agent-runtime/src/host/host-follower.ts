import type { HostWatch } from '@sallyport/hostnet';
import { failureOf } from '../failure.ts';
import type { Mutex } from '../mutex.ts';

/** Functions of the host that a follower uses. */
export interface FollowedHost<S> {
  /** Calls `changed` whenever the host may differ from the state, until it is closed. */
  watch(state: S, changed: () => void, failed: (error: unknown) => void): HostWatch;
  /** Returns a sentence for each difference from the desired state. */
  differences(state: S): Promise<readonly string[]>;
  /** Receives the differences, or the reason for a failed check. */
  report(differences: readonly string[]): void;
}

/**
 * Checks a host whenever the kernel reports a change. It holds the mutex during a check, so it never reports our own
 * unfinished work.
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

  /** Compares the host with this state from now on. */
  follow(state: S): void {
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return;
    const before = this.#watch;
    this.#state = state;
    this.#watch = this.#host.watch(
      state,
      () => this.#look(state),
      (error) => this.#host.report([`what the host reports could not be followed: ${failureOf(error).message}`]),
    );
    // The new watch opens first: a host hands its monitors over, so that no change is missed in between.
    void before?.close();
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
