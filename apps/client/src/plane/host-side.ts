import { HostFollower, HostRecord, type Mutex, type SavedHost, type StateDirectory } from '@sallyport/agent-runtime';
import { ClientHost, type ClientHostState, type ClientTraffic, type RouteContest } from '@sallyport/hostnet';

/** Prefixes of the tunnel that conflict with the host's own network. */
export interface Contests {
  readonly conflicts: readonly string[];
  readonly contests: readonly RouteContest[];
}

/** The differences that were found, and those that could not be repaired. */
export interface HostOutcome {
  readonly drift: readonly string[];
  readonly left: readonly string[];
}

/**
 * Manages link, addresses, routes, rules and settings of the device. Checks them whenever the kernel reports a change.
 */
export class HostSide {
  readonly #host = new ClientHost();
  readonly #record: HostRecord<ClientHostState>;
  readonly #follower: HostFollower<ClientHostState>;
  #contests: Contests = { conflicts: [], contests: [] };

  constructor(directory: StateDirectory, mutex: Mutex, report: (differences: readonly string[]) => void) {
    this.#record = new HostRecord(directory);
    this.#follower = new HostFollower(mutex, {
      watch: (state, changed, failed) => this.#host.watch(state, changed, failed),
      differences: (state) => this.#differences(state),
      report,
    });
  }

  /** Conflicts of the host's own network with the tunnel's prefixes, as of the last change that the kernel reported. */
  get contests(): Contests {
    return this.#contests;
  }

  /** See `ClientHost.traffic`. */
  traffic(name: string, prefixes: readonly string[], apart: readonly string[]): Promise<ClientTraffic> {
    return this.#host.traffic(name, prefixes, apart);
  }

  /**
   * Applies the wanted state. Undo records reach the disk before the changes.
   */
  up(state: ClientHostState): Promise<HostOutcome> {
    return this.#apply(state, 'up');
  }

  /** Does the same from memory, as far as only we have changed the host. */
  change(state: ClientHostState): Promise<HostOutcome> {
    return this.#apply(state, 'change');
  }

  /** Returns the record of changes to undo; null when there are none. */
  saved(): Promise<SavedHost<ClientHostState> | null> {
    return this.#record.read();
  }

  async down({ host, sysctls }: SavedHost<ClientHostState>): Promise<void> {
    await this.stop();
    await this.#host.down(host, sysctls);
    await this.#record.remove();
  }

  /** Ends the watch and changes nothing on the host. */
  stop(): Promise<void> {
    return this.#follower.stop();
  }

  async #apply(state: ClientHostState, how: 'up' | 'change'): Promise<HostOutcome> {
    const record = recordOf(state);
    await this.#record.intend(record);
    const { changed, confirmed, differences, conflicts, contests } = await this.#host[how](state, (sysctls) =>
      this.#record.add(record, sysctls),
    );
    this.#contests = { conflicts, contests };
    this.#follower.follow(state);
    return { drift: differences, left: changed && !confirmed ? await this.#differences(state) : [] };
  }

  async #differences(state: ClientHostState): Promise<readonly string[]> {
    const { differences, ...contests } = await this.#host.look(state);
    this.#contests = contests;
    return differences;
  }
}

/** Returns the part of a state that an undo needs. The prefixes are not part of it, so a grant writes nothing to disk. */
function recordOf({ members: _, internet: __, ...state }: ClientHostState): ClientHostState {
  return { ...state, prefixes: [] };
}
