import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parseResolvConf } from './servers.ts';
import type { ResolverAddress } from './upstream.ts';

/** Dependencies of the resolvers of a host. */
export interface HostResolversOptions {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Called when other resolvers than before are found. */
  readonly changed: () => void;
  readonly path?: string;
  /** Time between looks at the file. */
  readonly everyMs?: number;
}

/** Time for which the file is not read again. */
const freshMs = 1_000;

/** The resolvers of this host, as `resolv.conf` names them. Follows changes of the file. */
export class HostResolvers {
  readonly #options: HostResolversOptions;
  readonly #path: string;
  #readAt = Number.NEGATIVE_INFINITY;
  #found: Promise<readonly ResolverAddress[]> = Promise.resolve([]);
  /** Null: never read. */
  #last: string | null = null;
  readonly #look = () => {
    this.#readAt = Number.NEGATIVE_INFINITY;
    void this.list();
  };

  constructor(options: HostResolversOptions) {
    this.#options = options;
    this.#path = options.path ?? '/etc/resolv.conf';
    // Reads attributes on a timer: the file may be a link, and programs replace it instead of writing to it.
    watchFile(this.#path, { persistent: false, interval: options.everyMs ?? 5_000 }, this.#look);
  }

  /** Returns the resolvers, best first. None when the file cannot be read. */
  list(): Promise<readonly ResolverAddress[]> {
    const now = this.#options.now();
    if (Math.abs(now - this.#readAt) < freshMs) return this.#found;
    this.#readAt = now;
    this.#found = this.#read();
    return this.#found;
  }

  close(): void {
    unwatchFile(this.#path, this.#look);
  }

  async #read(): Promise<readonly ResolverAddress[]> {
    const found = parseResolvConf(await readFile(this.#path, 'utf8').catch(() => ''));
    const text = JSON.stringify(found);
    const changed = this.#last !== null && this.#last !== text;
    this.#last = text;
    if (changed) this.#options.changed();
    return found;
  }
}
