import type { Mutex, StateDirectory } from '@sallyport/agent-runtime';
import { failureOf, mergeSavedHost, readSavedHost, type SavedHost, writeSavedHost } from '@sallyport/agent-runtime';
import {
  ClientHost,
  type ClientHostState,
  type ClientTraffic,
  type HostWatch,
  type RouteContest,
} from '@sallyport/hostnet';

export interface Contests {
  readonly conflicts: readonly string[];
  readonly contests: readonly RouteContest[];
}

/** Link, addresses, routes, rules and settings of the device; looked at whenever the kernel says that they changed. */
export class HostSide {
  readonly #host = new ClientHost();
  readonly #directory: StateDirectory;
  readonly #mutex: Mutex;
  readonly #report: (differences: readonly string[]) => void;
  #saved: SavedHost<ClientHostState> | null | undefined;
  /** The disk did not take what is in memory. */
  #unsaved = false;
  #state: ClientHostState | null = null;
  #watch: HostWatch | null = null;
  #contests: Contests = { conflicts: [], contests: [] };

  /** What is reported was found while nothing else held the mutex, so it is not our own work half done. */
  constructor(directory: StateDirectory, mutex: Mutex, report: (differences: readonly string[]) => void) {
    this.#directory = directory;
    this.#mutex = mutex;
    this.#report = report;
  }

  /** What the host's own network has of the tunnel's prefixes, and in words. As of the last change that the kernel told of. */
  get contests(): Contests {
    return this.#contests;
  }

  /** See `ClientHost.traffic`. */
  traffic(name: string, prefixes: readonly string[], apart: readonly string[]): Promise<ClientTraffic> {
    return this.#host.traffic(name, prefixes, apart);
  }

  /** What is to be undone is on disk before it is done. `drift` is what was found, `left` what could not be mended. */
  async up(state: ClientHostState): Promise<{ drift: readonly string[]; left: readonly string[] }> {
    const saved = await this.#read();
    if (this.#unsaved || JSON.stringify(saved?.host) !== JSON.stringify(state))
      await this.#keep(mergeSavedHost(saved, state, []));
    const { changed, differences, ...contests } = await this.#host.up(state, (sysctls) =>
      this.#keep(mergeSavedHost(saved, state, sysctls)),
    );
    this.#contests = contests;
    this.#follow(state);
    return { drift: differences, left: changed ? await this.#differences(state) : [] };
  }

  async down({ host, sysctls }: SavedHost<ClientHostState>): Promise<void> {
    await this.stop();
    await this.#host.down(host, sysctls);
    await this.#directory.remove('host.json');
    this.#saved = null;
  }

  /** Ends the watch; everything stays as it is. */
  async stop(): Promise<void> {
    const watch = this.#watch;
    this.#state = null;
    this.#watch = null;
    await watch?.close();
  }

  async #read(): Promise<SavedHost<ClientHostState> | null> {
    this.#saved ??= await readSavedHost<ClientHostState>(this.#directory);
    return this.#saved;
  }

  async #keep(saved: SavedHost<ClientHostState>): Promise<void> {
    this.#saved = saved;
    this.#unsaved = !(await writeSavedHost(this.#directory, saved));
  }

  async #differences(state: ClientHostState): Promise<readonly string[]> {
    const { differences, ...contests } = await this.#host.look(state);
    this.#contests = contests;
    return differences;
  }

  #follow(state: ClientHostState): void {
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return;
    void this.#watch?.close();
    this.#state = state;
    this.#watch = this.#host.watch(
      state,
      () => this.#look(state),
      (error) => this.#report([`what the host reports could not be followed: ${failureOf(error).message}`]),
    );
  }

  #look(state: ClientHostState): void {
    void this.#mutex.run(async () => {
      if (this.#state !== state) return;
      const differences = await this.#differences(state).catch((error) => [failureOf(error).message]);
      if (differences.length > 0) this.#report(differences);
    });
  }
}
