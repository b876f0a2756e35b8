import type { ItemChange, PathsView, Work } from '@sallyport/agent-core';
import { DnsServer, failureOf, type Log } from '@sallyport/agent-runtime';
import type { NameItem, StateItem } from '@sallyport/contract/channel';
import { canonicalPrefix } from '@sallyport/ip';
import { forward, questionName, serverFailure } from './forward.ts';
import { type DnsChoice, stubAddress } from './host-dns.ts';
import { HostResolvers } from './host-resolvers.ts';

type Items = ReadonlyMap<string, StateItem>;

/** Dependencies of the names of a device. */
export interface ClientNamesOptions {
  readonly log: Log;
  /** Current gateways and routes. */
  readonly view: () => PathsView;
  /** Interface of the tunnel. */
  readonly interface: string;
  /** How the host's resolvers are configured. */
  readonly dns: DnsChoice;
  readonly host?: HostResolvers;
}

/** Interval at which a port that another program holds is tried again. */
const retryMs = 2_000;

/** How names resolve on this host. */
export interface NamesReport {
  /** How the host is configured; null: it is not. */
  readonly by: HostResolvers['kind'];
  /** Why names may not resolve, as a sentence; null: they do. */
  readonly problem: string | null;
  readonly names: readonly NameItem[];
}

/** How the device treats a name. */
export interface NameTrace {
  /** Null: no resource that the device may reach has the name. */
  readonly item: NameItem | null;
  /** Id of the gateway that carries the name; null: none. */
  readonly gateway: string | null;
  /** Addresses of the resolvers that are asked for it. */
  readonly servers: readonly string[];
  readonly by: NamesReport['by'];
  readonly problem: string | null;
}

/**
 * The host names that a device may reach. Queries of this host come here; those for such a name go through the tunnel to
 * the gateway that carries it, and all others to the resolvers that were there before. Without names nothing of the host
 * is touched.
 */
export class ClientNames {
  readonly #options: ClientNamesOptions;
  readonly #host: HostResolvers;
  readonly #server: DnsServer;
  #items: Items = new Map();
  #active = false;
  #failure: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ClientNamesOptions) {
    this.#options = options;
    const { log, interface: name, dns: choice } = options;
    this.#host = options.host ?? new HostResolvers({ log, interface: name, choice });
    this.#server = new DnsServer(isLoopback, (query, _source, over) => this.#answer(query, over));
  }

  /**
   * Takes the items that are in force. Failures are logged, and the next check tries again. A change of other items
   * costs nothing.
   */
  apply(work: Work): Promise<void> {
    const items: Items = work.kind === 'close' ? new Map() : work.items;
    this.#items = items;
    if (work.kind === 'change' && !work.changes.some(isOfName)) return this.#running;
    const wanted = namesOf(items).length > 0;
    return this.#run(() => (wanted ? this.#begin() : this.#end()));
  }

  /** Looks at the host's resolvers now: its network has changed. */
  async check(): Promise<void> {
    if (this.#active) await this.#host.check();
  }

  /** Restores the host's resolvers. */
  async stop(): Promise<void> {
    await this.#run(() => this.#end());
    await this.#server.close();
  }

  /** How names resolve on this host. */
  get report(): NamesReport {
    const { kind, problem } = this.#host;
    return { by: kind, problem: this.#failure ?? problem, names: namesOf(this.#items) };
  }

  /** Returns how a name is treated on this host. */
  async trace(name: string): Promise<NameTrace> {
    const item = this.#items.get(`name/${name}`);
    const { by, problem } = this.report;
    if (item?.kind !== 'name') return { item: null, gateway: null, servers: await this.#host.usual(), by, problem };
    const [gateway = null] = this.#carriersOf(item);
    return { item, gateway, servers: this.#gatewaysOf(item), by, problem };
  }

  #run(task: () => Promise<void>): Promise<void> {
    this.#running = this.#running.then(task).then(
      () => {
        this.#failure = null;
      },
      (error) => {
        const failure = `Names do not resolve on this host: ${failureOf(error).message}`;
        if (failure !== this.#failure) this.#options.log.warn(failure);
        this.#failure = failure;
      },
    );
    return this.#running;
  }

  async #begin(): Promise<void> {
    this.#active = true;
    this.#timer ??= setInterval(() => void this.#run(() => this.#listen()), retryMs).unref();
    await this.#listen();
    await this.#host.use(namesOf(this.#items).map(({ id }) => id));
  }

  /** The host is configured only while we answer. */
  async #listen(): Promise<void> {
    if (!this.#active) return;
    await this.#server.listen([stubAddress]);
    if (this.#failure !== null) await this.#host.use(namesOf(this.#items).map(({ id }) => id));
  }

  async #end(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#active = false;
    await this.#host.release();
    await this.#server.listen([]);
  }

  async #answer(query: Buffer, over: 'udp' | 'tcp'): Promise<Buffer | null> {
    const name = questionName(query);
    if (name === null) return null;
    const item = this.#items.get(`name/${name}`);
    const servers = item?.kind === 'name' ? this.#gatewaysOf(item) : await this.#host.others();
    return (await forward(query, over, servers)) ?? serverFailure(query);
  }

  /** Returns the addresses in the tunnel of the gateway that carries a name now. */
  #gatewaysOf(item: NameItem): string[] {
    return this.#carriersOf(item).flatMap((id) => {
      const peer = this.#items.get(`peer/${id}`);
      return peer?.kind === 'peer' ? peer.addresses.filter((address) => !address.includes(':')) : [];
    });
  }

  #carriersOf({ addresses }: NameItem): string[] {
    const prefixes = new Set(addresses.map((address) => canonicalPrefix(`${address}/${lengthOf(address)}`)));
    const routes = this.#options.view().routes.filter(({ prefix }) => prefixes.has(canonicalPrefix(prefix)));
    return [...new Set(routes.flatMap(({ carrier }) => carrier ?? []))];
  }
}

const lengthOf = (address: string): number => (address.includes(':') ? 128 : 32);
const isLoopback = (source: string): boolean => source.startsWith('127.');

const isOfName = ({ before, after }: ItemChange): boolean => (before ?? after)?.kind === 'name';

function namesOf(items: Items): NameItem[] {
  return [...items.values()].filter((item) => item.kind === 'name');
}
