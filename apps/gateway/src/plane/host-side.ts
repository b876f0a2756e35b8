import { HostFollower, HostRecord, type Mutex, type SavedHost, type StateDirectory } from '@sallyport/agent-runtime';
import { Host, type HostFacts, type HostState } from '@sallyport/hostnet';

/** Link, addresses, routes, rules and settings; looked at whenever the kernel says that they changed. */
export class HostSide {
  readonly #host = new Host();
  readonly #record: HostRecord<HostState>;
  readonly #follower: HostFollower<HostState>;
  #conflicts: readonly string[] = [];

  /** `looked`: something has changed, whether or not it is as wanted. */
  constructor(
    directory: StateDirectory,
    mutex: Mutex,
    report: (differences: readonly string[]) => void,
    looked: () => void,
  ) {
    this.#record = new HostRecord(directory);
    this.#follower = new HostFollower(mutex, {
      watch: (state, changed, failed) => this.#host.watch(state, changed, failed),
      differences: (state) => {
        looked();
        return this.#differences(state);
      },
      report,
    });
  }

  /** Where the host's own network keeps a prefix that should go into the tunnel, a sentence each. */
  get conflicts(): readonly string[] {
    return this.#conflicts;
  }

  /** What is to be undone is on disk before it is done. `drift` is what was found, `left` what could not be mended. */
  async up(state: HostState): Promise<{ drift: readonly string[]; left: readonly string[] }> {
    await this.#record.intend(state);
    const { changed, differences, conflicts } = await this.#host.up(state, (sysctls) =>
      this.#record.add(state, sysctls),
    );
    this.#follower.follow(state);
    this.#conflicts = conflicts;
    return { drift: differences, left: changed ? await this.#differences(state) : [] };
  }

  /** What the table must know of this host: to be in force before `up` switches forwarding on. */
  async facts(tunnel: string): Promise<HostFacts> {
    return this.#host.facts(tunnel, (await this.saved())?.sysctls ?? []);
  }

  /** What has to be undone; null: nothing. */
  saved(): Promise<SavedHost<HostState> | null> {
    return this.#record.read();
  }

  /** Undoes it. It stays on record until `forget`. */
  async down({ host, sysctls }: SavedHost<HostState>): Promise<void> {
    await this.stop();
    await this.#host.down(host, sysctls);
  }

  /** Nothing has to be undone any more. */
  forget(): Promise<void> {
    return this.#record.remove();
  }

  /** Ends the watch; everything stays as it is. */
  stop(): Promise<void> {
    return this.#follower.stop();
  }

  /** Where the host's own network is in the way nothing can be mended: that is for people. */
  async #differences(state: HostState): Promise<string[]> {
    const conflicts = new Set(this.#conflicts);
    return (await this.#host.verify(state)).filter((difference) => !conflicts.has(difference));
  }
}
