import type { Mutex, StateDirectory } from '@sallyport/agent-runtime';
import { failureOf, mergeSavedHost, readSavedHost, type SavedHost, writeSavedHost } from '@sallyport/agent-runtime';
import { Host, type HostFacts, type HostState, type HostWatch } from '@sallyport/hostnet';

/** Link, addresses, routes, rules and settings; looked at whenever the kernel says that they changed. */
export class HostSide {
  readonly #host = new Host();
  readonly #directory: StateDirectory;
  readonly #mutex: Mutex;
  readonly #report: (differences: readonly string[]) => void;
  readonly #looked: () => void;
  #state: HostState | null = null;
  /** What the disk did not take. */
  #unsaved: SavedHost<HostState> | null = null;
  #watch: HostWatch | null = null;
  #conflicts: readonly string[] = [];

  /** Where the host's own network keeps a prefix that should go into the tunnel, a sentence each. */
  get conflicts(): readonly string[] {
    return this.#conflicts;
  }

  /**
   * What is reported was found while nothing else held the mutex, so it is not our own work half done. `looked`: something has
   * changed, whether or not it is as wanted.
   */
  constructor(
    directory: StateDirectory,
    mutex: Mutex,
    report: (differences: readonly string[]) => void,
    looked: () => void,
  ) {
    this.#directory = directory;
    this.#mutex = mutex;
    this.#report = report;
    this.#looked = looked;
  }

  /** What is to be undone is on disk before it is done. `drift` is what was found, `left` what could not be mended. */
  async up(state: HostState): Promise<{ drift: readonly string[]; left: readonly string[] }> {
    const saved = this.#unsaved ?? (await readSavedHost<HostState>(this.#directory));
    if (this.#unsaved !== null || JSON.stringify(saved?.host) !== JSON.stringify(state))
      await this.#keep(mergeSavedHost(saved, state, []));
    const { changed, differences, conflicts } = await this.#host.up(state, (sysctls) =>
      this.#keep(mergeSavedHost(saved, state, sysctls)),
    );
    this.#follow(state);
    this.#conflicts = conflicts;
    return { drift: differences, left: changed ? await this.#differences(state) : [] };
  }

  /** What the table must know of this host: to be in force before `up` switches forwarding on. */
  async facts(tunnel: string): Promise<HostFacts> {
    const saved = this.#unsaved ?? (await readSavedHost<HostState>(this.#directory));
    return this.#host.facts(tunnel, saved?.sysctls ?? []);
  }

  async down(saved: SavedHost<HostState>): Promise<void> {
    const { host, sysctls } = this.#unsaved ?? saved;
    await this.stop();
    await this.#host.down(host, sysctls);
  }

  /** Ends the watch; everything stays as it is. */
  async stop(): Promise<void> {
    const watch = this.#watch;
    this.#state = null;
    this.#watch = null;
    await watch?.close();
  }

  async #keep(saved: SavedHost<HostState>): Promise<void> {
    this.#unsaved = (await writeSavedHost(this.#directory, saved)) ? null : saved;
  }

  /** Where the host's own network is in the way nothing can be mended: that is for people. */
  async #differences(state: HostState): Promise<string[]> {
    const conflicts = new Set(this.#conflicts);
    return (await this.#host.verify(state)).filter((difference) => !conflicts.has(difference));
  }

  #follow(state: HostState): void {
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return;
    void this.#watch?.close();
    this.#state = state;
    this.#watch = this.#host.watch(
      state,
      () => this.#look(state),
      (error) => this.#report([`what the host reports could not be followed: ${failureOf(error).message}`]),
    );
  }

  #look(state: HostState): void {
    void this.#mutex.run(async () => {
      if (this.#state !== state) return;
      this.#looked();
      const differences = await this.#differences(state).catch((error) => [failureOf(error).message]);
      if (differences.length > 0) this.#report(differences);
    });
  }
}
