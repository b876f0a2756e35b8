import type { Mutex, StateDirectory } from '@sallyport/agent-runtime';
import { Host, type HostState, type HostWatch } from '@sallyport/hostnet';
import { mergeSavedHost, readSavedHost, type SavedHost, writeSavedHost } from '../state/saved-host.ts';

/** Link, addresses, routes, rules and settings; looked at whenever the kernel says that they changed. */
export class HostSide {
  readonly #host = new Host();
  readonly #directory: StateDirectory;
  readonly #mutex: Mutex;
  readonly #report: (differences: readonly string[]) => void;
  #state: HostState | null = null;
  #watch: HostWatch | null = null;

  /** What is reported was found while nothing else held the mutex, so it is not our own work half done. */
  constructor(directory: StateDirectory, mutex: Mutex, report: (differences: readonly string[]) => void) {
    this.#directory = directory;
    this.#mutex = mutex;
    this.#report = report;
  }

  /** What is to be undone is on disk before it is done. `drift` is what was found, `left` what could not be mended. */
  async up(state: HostState): Promise<{ drift: readonly string[]; left: readonly string[] }> {
    const saved = await readSavedHost(this.#directory);
    if (JSON.stringify(saved?.host) !== JSON.stringify(state)) {
      await writeSavedHost(this.#directory, mergeSavedHost(saved, state, []));
    }
    const { changed, differences } = await this.#host.up(state, (sysctls) =>
      writeSavedHost(this.#directory, mergeSavedHost(saved, state, sysctls)),
    );
    this.#follow(state);
    return { drift: differences, left: changed ? await this.#host.verify(state) : [] };
  }

  async down({ host, sysctls }: SavedHost): Promise<void> {
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

  #follow(state: HostState): void {
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return;
    void this.#watch?.close();
    this.#state = state;
    this.#watch = this.#host.watch(state, () => this.#look(state));
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
