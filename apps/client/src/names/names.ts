import type { ItemChange, PathsView, Work } from '@sallyport/agent-core';
import { DnsServer, failureOf, type Log } from '@sallyport/agent-runtime';
import type { NameItem, StateItem } from '@sallyport/contract/channel';
import { parseEndpoint } from '@sallyport/contract/endpoint';
import { isWildcard, wildcardBase, wildcardsOver } from '@sallyport/ip';
import { carriersInOrder } from './carriers.ts';
import { answeredAddresses, forward, hasRecords, noRecords, questionName, serverFailure } from './forward.ts';
import { forwardsNames, internetCarriers, sendsAllNames } from './full-tunnel.ts';
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
  /** Host name or address of the controller, in lower case. */
  readonly controllerHost: string;
  readonly host?: HostResolvers;
  /** Called when all names of this host begin or end to go through the tunnel. */
  readonly turned?: () => void;
}

/** Interval at which a port that another program holds is tried again. */
const retryMs = 2_000;
/** Longest wait for gateways: programs usually ask the next resolver after 5 seconds. */
const ownMs = 4_500;
/** Longest wait for a new name, below the patience of the programs that ask. */
const arrivalMs = 3_000;

/** How names resolve on this host. */
export interface NamesReport {
  /** How the host is configured; null: it is not. */
  readonly by: HostResolvers['kind'];
  /** Why names may not resolve, as a sentence; null: they do. */
  readonly problem: string | null;
  readonly names: readonly NameItem[];
  /** Whether all other names go through the tunnel too. */
  readonly all: boolean;
}

/** How the device treats a name. */
export interface NameTrace {
  /** The name, or the wildcard that covers it. Null: no resource that the device may reach has the name. */
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
  /** Whether all names go through the tunnel: a gateway of a full tunnel has answered for them. */
  #all = false;
  #trying = false;
  #failure: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  /** Queries that wait for a new name. */
  readonly #arrivals = new Set<() => void>();

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
    for (const wake of this.#arrivals) wake();
    if (work.kind === 'change' && !work.changes.some(concernsNames)) return this.#running;
    if (!this.#mayTakeAll()) this.#turn(false);
    const wanted = namesOf(items).length > 0 || this.#mayTakeAll();
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
    return { by: kind, problem: this.#failure ?? problem, names: namesOf(this.#items), all: this.#all };
  }

  /** Returns how a name is treated on this host. */
  async trace(name: string): Promise<NameTrace> {
    const items = this.#itemsFor(name);
    const [item] = items;
    const { by, problem } = this.report;
    if (item === undefined) {
      const servers = this.#all ? this.#internetGateways() : await this.#host.usual();
      return { item: null, gateway: null, servers, by, problem };
    }
    const carriers = this.#carriersOf(items);
    const [gateway = null] = carriers;
    return { item, gateway, servers: this.#addressesOf(carriers), by, problem };
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
    await this.#use();
  }

  #use(): Promise<void> {
    const domains = this.#all ? ['.'] : domainsOf(namesOf(this.#items));
    return domains.length === 0 ? this.#host.release() : this.#host.use(domains);
  }

  /** The host is configured only while we answer. */
  async #listen(): Promise<void> {
    if (!this.#active) return;
    await this.#server.listen([stubAddress]);
    if (this.#failure !== null) await this.#use();
    void this.#tryAll();
  }

  /** Asks the gateways of a full tunnel, beside other work: they may be silent. */
  async #tryAll(): Promise<void> {
    if (this.#all || this.#trying || !this.#mayTakeAll()) return;
    this.#trying = true;
    const answered = await forwardsNames(this.#internetGateways()).catch(() => false);
    this.#trying = false;
    if (!answered || !this.#active || !this.#mayTakeAll()) return;
    this.#turn(true);
    await this.#run(() => this.#use());
  }

  /** With a full tunnel, no query for any name goes past it, once a gateway answers. Then none does, whatever happens. */
  #mayTakeAll(): boolean {
    return this.#options.dns !== 'off' && sendsAllNames(this.#items);
  }

  #turn(all: boolean): void {
    if (this.#all === all) return;
    this.#all = all;
    if (all) this.#options.log.info('all names of this host are resolved through the tunnel');
    this.#options.turned?.();
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
    const items = this.#itemsFor(name);
    const servers = items.length > 0 ? this.#addressesOf(this.#carriersOf(items)) : await this.#others();
    const patienceMs = items.length > 0 ? ownMs : undefined;
    const answer = await forward(query, over, [...new Set(servers)], patienceMs);
    if (items.length === 0) return answer ?? serverFailure(query);
    if (answer === null) return this.#unanswered(query);
    // The route to a name that is new comes from the controller, and may come after the answer.
    if (!hasRecords(answer)) return answer;
    return (await this.#arrival(name, answeredAddresses(answer))) ? answer : serverFailure(query);
  }

  /**
   * No gateway answers for a name of a resource. After a failure, programs would ask the other resolvers of the file, which
   * may lead them elsewhere: that of a captive portal gives its own address for every name.
   */
  #unanswered(query: Buffer): Buffer {
    const { kind } = this.#host;
    return kind === 'resolv.conf' || kind === 'networkmanager' ? noRecords(query) : serverFailure(query);
  }

  /**
   * Returns the name itself, and then the wildcards that cover it, the narrowest first: gateways of other networks may
   * know the name by them alone.
   */
  #itemsFor(name: string): NameItem[] {
    const ofName = (id: string): NameItem[] => {
      const item = this.#items.get(`name/${id}`);
      return item?.kind === 'name' ? [item] : [];
    };
    const covering = wildcardsOver(name).flatMap(ofName);
    // The tunnel itself depends on these names.
    return [...ofName(name), ...(covering.length > 0 && this.#isOfTunnel(name) ? [] : covering)];
  }

  /** Returns whether a name is that of the controller or of the endpoint of a gateway. */
  #isOfTunnel(name: string): boolean {
    const endpoints = [...this.#items.values()].flatMap((item) =>
      item.kind === 'peer' ? [...item.endpoints, ...item.relays.map(({ endpoint }) => endpoint)] : [],
    );
    const hosts = endpoints.map((endpoint) => parseEndpoint(endpoint)?.host.toLowerCase());
    return name === this.#options.controllerHost || hosts.includes(name);
  }

  /** Waits until a name is in force on this device with these addresses, but not long. Returns whether it is. */
  async #arrival(name: string, addresses: readonly string[]): Promise<boolean> {
    const end = performance.now() + arrivalMs;
    while (!this.#has(name, addresses)) {
      const left = end - performance.now();
      if (left <= 0) return false;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, left);
      this.#arrivals.add(resolve);
      await promise;
      clearTimeout(timer);
      this.#arrivals.delete(resolve);
    }
    return true;
  }

  #has(name: string, addresses: readonly string[]): boolean {
    const item = this.#items.get(`name/${name}`);
    return item?.kind === 'name' && addresses.every((address) => item.addresses.includes(address));
  }

  async #others(): Promise<string[]> {
    return this.#all ? this.#internetGateways() : this.#host.others();
  }

  #internetGateways(): string[] {
    return this.#addressesOf(internetCarriers(this.#options.view()));
  }

  #addressesOf(gateways: readonly string[]): string[] {
    return gateways.flatMap((id) => {
      const peer = this.#items.get(`peer/${id}`);
      return peer?.kind === 'peer' ? peer.addresses.filter((address) => !address.includes(':')) : [];
    });
  }

  /** Returns the gateways that carry names now, best first. A name has an address and a route in each network. */
  #carriersOf(items: readonly NameItem[]): string[] {
    return carriersInOrder(
      items.flatMap(({ addresses }) => addresses.map((address) => `${address}/${lengthOf(address)}`)),
      this.#options.view(),
    );
  }
}

const lengthOf = (address: string): number => (address.includes(':') ? 128 : 32);
const isLoopback = (source: string): boolean => source.startsWith('127.');

/** Routes and the device's own item say whether it has a full tunnel. */
function concernsNames({ before, after }: ItemChange): boolean {
  const item = before ?? after;
  return item?.kind === 'name' || item?.kind === 'client' || (item?.kind === 'route' && item.resources.length === 0);
}

function namesOf(items: Items): NameItem[] {
  return [...items.values()].filter((item) => item.kind === 'name');
}

/** Returns the domains of names, without those that lie in the domain of a wildcard. */
function domainsOf(names: readonly NameItem[]): string[] {
  const wide = new Set(names.flatMap(({ id }) => (isWildcard(id) ? [wildcardBase(id)] : [])));
  const isInside = (id: string) => wildcardsOver(id).some((wildcard) => wide.has(wildcardBase(wildcard)));
  const exact = names.flatMap(({ id }) => (isWildcard(id) || wide.has(id) || isInside(id) ? [] : [id]));
  return [...wide, ...exact];
}
