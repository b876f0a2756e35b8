import type { ItemChange, PathsView, Work } from '@sallyport/agent-core';
import { DnsServer, failureOf, type Log } from '@sallyport/agent-runtime';
import type { NameItem, StateItem } from '@sallyport/contract/channel';
import { canonicalPrefix } from '@sallyport/ip';
import { forward, questionName, serverFailure } from './forward.ts';
import { otherResolvers, ResolvConf, stubAddress } from './resolv-conf.ts';

type Items = ReadonlyMap<string, StateItem>;

/** Dependencies of the names of a device. */
export interface ClientNamesOptions {
  readonly log: Log;
  /** Current gateways and routes. */
  readonly view: () => PathsView;
  readonly file?: ResolvConf;
}

/** Interval at which the file is checked, because other programs write it too. */
const checkMs = 2_000;

/**
 * The host names that a device may reach. Queries of this host come here; those for such a name go through the tunnel to
 * the gateway that carries it, and all others to the resolvers that were there before. Without names nothing of the host
 * is touched.
 */
export class ClientNames {
  readonly #options: ClientNamesOptions;
  readonly #file: ResolvConf;
  readonly #server: DnsServer;
  #items: Items = new Map();
  #active = false;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ClientNamesOptions) {
    this.#options = options;
    this.#file = options.file ?? new ResolvConf();
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

  /** Restores the host's resolvers. */
  async stop(): Promise<void> {
    await this.#run(() => this.#end());
    await this.#server.close();
  }

  /** Restores what a daemon left that ended without doing so. Returns whether there was something. */
  static restore(): Promise<boolean> {
    return new ResolvConf().remove();
  }

  #run(task: () => Promise<void>): Promise<void> {
    this.#running = this.#running.then(task).catch((error) => {
      this.#options.log.warn('names are not resolved on this device', { reason: failureOf(error).message });
    });
    return this.#running;
  }

  async #begin(): Promise<void> {
    this.#active = true;
    this.#timer ??= setInterval(() => void this.#run(() => this.#check()), checkMs).unref();
    await this.#check();
  }

  async #check(): Promise<void> {
    if (!this.#active) return;
    await this.#server.listen([stubAddress]);
    if (await this.#file.add()) this.#options.log.info('names of resources are resolved through the tunnel');
  }

  async #end(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#active = false;
    if (await this.#file.remove()) this.#options.log.info('the resolvers of this host are as they were');
    await this.#server.listen([]);
  }

  async #answer(query: Buffer, over: 'udp' | 'tcp'): Promise<Buffer | null> {
    const name = questionName(query);
    if (name === null) return null;
    const item = this.#items.get(`name/${name}`);
    const servers = item?.kind === 'name' ? this.#gatewaysOf(item) : otherResolvers(await this.#file.read());
    return (await forward(query, over, servers)) ?? serverFailure(query);
  }

  /** Returns the addresses in the tunnel of the gateway that carries a name now. */
  #gatewaysOf({ addresses }: NameItem): string[] {
    const prefixes = new Set(addresses.map((address) => canonicalPrefix(`${address}/${lengthOf(address)}`)));
    const routes = this.#options.view().routes.filter(({ prefix }) => prefixes.has(canonicalPrefix(prefix)));
    const carriers = new Set(routes.flatMap(({ carrier }) => carrier ?? []));
    return [...carriers].flatMap((id) => {
      const peer = this.#items.get(`peer/${id}`);
      return peer?.kind === 'peer' ? peer.addresses.filter((address) => !address.includes(':')) : [];
    });
  }
}

const lengthOf = (address: string): number => (address.includes(':') ? 128 : 32);
const isLoopback = (source: string): boolean => source.startsWith('127.');

const isOfName = ({ before, after }: ItemChange): boolean => (before ?? after)?.kind === 'name';

function namesOf(items: Items): NameItem[] {
  return [...items.values()].filter((item) => item.kind === 'name');
}
