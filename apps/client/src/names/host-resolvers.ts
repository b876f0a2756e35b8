import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import { failureOf, type Log } from '@sallyport/agent-runtime';
import { type DnsPlaces, detectDns, usualPlaces } from './detect.ts';
import type { DnsChoice, HostDns } from './host-dns.ts';
import { NetworkManagerDns } from './network-manager.ts';
import { RepairBudget } from './repair-budget.ts';
import { ResolvConf } from './resolv-conf.ts';
import { Resolved } from './resolved.ts';

/** Dependencies of the resolvers of a host. */
export interface HostResolversOptions {
  readonly choice: DnsChoice;
  /** Interface of the tunnel. */
  readonly interface: string;
  readonly log: Log;
  readonly places?: DnsPlaces;
  /** Replaces the ways to configure the host. */
  readonly ways?: Ways;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
}

type Ways = Readonly<Record<HostDns['kind'], HostDns>>;

const firstCheckMs = 2_000;
/** Programs write the file in several steps. */
const settleMs = 50;

const contested = (kind: HostDns['kind']): string =>
  `Another program keeps taking the resolver of Sallyport out of this host's configuration (${kind}), so names of resources may not resolve. Another value of "sally up --dns" may help.`;

/**
 * The resolvers of this host, configured for our domains in the way that fits what manages them. Other programs
 * configure them too: their changes are kept, ours are put back. A program that keeps undoing ours is not fought.
 */
export class HostResolvers {
  readonly #options: HostResolversOptions;
  readonly #ways: Ways;
  readonly #now: () => number;
  readonly #budget = new RepairBudget();
  #domains: readonly string[] | null = null;
  #way: HostDns | null = null;
  /** Domains with which the way was configured; null: it was not. */
  #configured: string | null = null;
  #problem: string | null = null;
  #failure: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #watcher: FSWatcher | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: HostResolversOptions) {
    this.#options = options;
    this.#ways = options.ways ?? waysOf(options.interface, options.places);
    this.#now = options.now ?? (() => performance.now());
  }

  /** How the host is configured now; null: it is not. */
  get kind(): HostDns['kind'] | null {
    return this.#way?.kind ?? null;
  }

  /** Why names may not resolve, as a sentence; null: they do. */
  get problem(): string | null {
    return this.#problem ?? (this.#failure && `Names do not resolve on this host: ${this.#failure}`);
  }

  /** Returns the resolvers for names that are not ours. Without an own way there are none, because a query could loop. */
  async others(): Promise<string[]> {
    return this.#way === null ? [] : this.#way.others();
  }

  /** Returns the resolvers that programs use for names that are not ours. */
  async usual(): Promise<string[]> {
    const { places } = this.#options;
    return (this.#way ?? this.#ways[await detectDns(places)]).others();
  }

  /** Sends queries for these domains to us. Failures are logged, and tried again. */
  use(domains: readonly string[]): Promise<void> {
    this.#domains = domains;
    return this.check();
  }

  /** Restores the host's own resolvers. Also undoes what an earlier process left. */
  release(): Promise<void> {
    this.#domains = null;
    return this.#run(async () => {
      this.#unwatch();
      await this.#undo();
      this.#problem = null;
    });
  }

  /** Looks at the host now, and repairs what other programs changed. */
  check(): Promise<void> {
    return this.#run(() => this.#check());
  }

  #run(task: () => Promise<void>): Promise<void> {
    this.#running = this.#running.then(task).then(
      () => {
        this.#failure = null;
      },
      (error) => {
        const { message } = failureOf(error);
        if (message !== this.#failure)
          this.#options.log.warn('names are not resolved on this device', { reason: message });
        this.#failure = message;
      },
    );
    this.#running = this.#running.then(() => this.#schedule());
    return this.#running;
  }

  async #check(): Promise<void> {
    const domains = this.#domains;
    const { choice, places, log } = this.#options;
    if (domains === null || choice === 'off') return;
    const kind = choice === 'auto' ? await detectDns(places) : choice;
    if (this.#way !== null && this.#way.kind !== kind) await this.#undo();
    this.#way = this.#ways[kind];
    this.#watch();
    const text = domains.join();
    if (await this.#way.holds(domains)) {
      this.#configured = text;
      if (this.#budget.isCalm(this.#now())) this.#problem = null;
      return;
    }
    const repair = this.#configured === text;
    if (repair && !this.#budget.take(this.#now())) return this.#giveWay(kind);
    await this.#way.add(domains);
    if (this.#configured === null) log.info('names of resources are resolved through the tunnel', { by: kind });
    this.#configured = text;
  }

  #giveWay(kind: HostDns['kind']): void {
    if (this.#problem === null) this.#options.log.warn(contested(kind));
    this.#problem = contested(kind);
  }

  /** Without a way of our own, what an earlier process left is undone, whichever way it used. */
  async #undo(): Promise<void> {
    const removed = await (this.#way === null ? removeAll(this.#ways, this.#options.places) : this.#way.remove());
    if (removed) this.#options.log.info('the resolvers of this host are as they were');
    this.#way = null;
    this.#configured = null;
  }

  #schedule(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#domains === null || this.#options.choice === 'off') return;
    this.#timer = setTimeout(() => void this.check(), this.#way?.checkMs ?? firstCheckMs).unref();
  }

  /** A file that another program writes is repaired at once. Where it cannot be watched, the next check finds it. */
  #watch(): void {
    const path = (this.#options.places ?? usualPlaces).resolvConf;
    if (this.#watcher !== null || this.#way?.kind === 'resolved') return;
    try {
      this.#watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
        if (name !== null && path.endsWith(`/${name}`)) setTimeout(() => void this.check(), settleMs).unref();
      });
      this.#watcher.on('error', () => this.#unwatch());
    } catch {
      this.#watcher = null;
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }
}

/** Restores what a daemon left that ended without doing so. Returns whether there was something. */
export function restoreResolvers(name: string): Promise<boolean> {
  return removeAll(waysOf(name));
}

async function removeAll(ways: Ways, places?: DnsPlaces): Promise<boolean> {
  const file = (await detectDns(places)) === 'networkmanager' ? ways.networkmanager : ways['resolv.conf'];
  const removed = [await file.remove(), await ways.resolved.remove()];
  return removed.includes(true);
}

function waysOf(name: string, { resolvConf, resolved }: DnsPlaces = usualPlaces): Ways {
  return {
    resolved: new Resolved(name, undefined, `${resolved}/resolv.conf`),
    networkmanager: new NetworkManagerDns(resolvConf),
    'resolv.conf': new ResolvConf(resolvConf),
  };
}
