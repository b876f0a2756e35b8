import { HostFollower, HostRecord, type Mutex, type SavedHost, type StateDirectory } from '@sallyport/agent-runtime';
import { Host, type HostFacts, type HostState } from '@sallyport/hostnet';

/** Manages link, addresses, routes, rules and settings. Checks them whenever the kernel reports a change. */
export class HostSide {
  readonly #host = new Host();
  readonly #record: HostRecord<HostState>;
  readonly #follower: HostFollower<HostState>;
  #conflicts: readonly string[] = [];

  /** `looked` is called after every change, whether or not the state is as wanted. */
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

  /** Prefixes that the host's own network keeps out of the tunnel, one sentence each. */
  get conflicts(): readonly string[] {
    return this.#conflicts;
  }

  /**
   * Applies the wanted state. Undo records reach the disk before the changes. `drift` lists the found differences,
   * `left` those that could not be repaired.
   */
  async up(state: HostState): Promise<{ drift: readonly string[]; left: readonly string[] }> {
    await this.#record.intend(state);
    const { changed, differences, conflicts } = await this.#host.up(state, (sysctls) =>
      this.#record.add(state, sysctls),
    );
    this.#follower.follow(state);
    this.#conflicts = conflicts;
    return { drift: differences, left: changed ? await this.#differences(state) : [] };
  }

  /** Returns the facts about this host for the table. They must be in force before `up` enables forwarding. */
  async facts(tunnel: string): Promise<HostFacts> {
    return this.#host.facts(tunnel, (await this.saved())?.sysctls ?? []);
  }

  /** Returns the record of changes to undo; null when there are none. */
  saved(): Promise<SavedHost<HostState> | null> {
    return this.#record.read();
  }

  /** Undoes the changes. They stay on record until `forget`. */
  async down({ host, sysctls }: SavedHost<HostState>): Promise<void> {
    await this.stop();
    await this.#host.down(host, sysctls);
  }

  /** Clears the record of changes. */
  forget(): Promise<void> {
    return this.#record.remove();
  }

  /** Ends the watch and changes nothing on the host. */
  stop(): Promise<void> {
    return this.#follower.stop();
  }

  /** Excludes conflicts with the host's own network, which only an administrator can solve. */
  async #differences(state: HostState): Promise<string[]> {
    const conflicts = new Set(this.#conflicts);
    return (await this.#host.verify(state)).filter((difference) => !conflicts.has(difference));
  }
}
