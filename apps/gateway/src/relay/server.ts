import { lookup } from 'node:dns/promises';
import { relayPairsOf } from '@sallyport/agent-core';
import type { Log } from '@sallyport/agent-runtime';
import type { GatewayItem, RelayItem, StateItem } from '@sallyport/contract/channel';
import { parseEndpoint } from '@sallyport/contract/endpoint';
import { occasionally } from '@sallyport/contract/guard';
import { addressOf } from './addresses.ts';
import { RelayEcho } from './echo.ts';
import type { Address, Learned, PairPeer } from './pair.ts';
import { type PortCounters, type PortHost, RelayPort } from './port.ts';

/** A pair for the kernel to forward. */
export interface LearnedPair {
  readonly item: RelayItem;
  readonly learned: Learned;
}

/** Dependencies of the relay. */
export interface RelayHost {
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Addresses that an earlier process learned, by relay id, and their store. */
  readonly remembered: ReadonlyMap<string, Learned>;
  readonly remember: (learned: ReadonlyMap<string, Learned>) => void;
  /** Makes the kernel forward exactly these pairs. Null when it cannot; the process then forwards. */
  readonly forward: ((pairs: readonly LearnedPair[]) => Promise<void>) | null;
  /**
   * Returns differences between the kernel's forwarding and its orders, one sentence each. The next `forward` repairs
   * them.
   */
  readonly verify?: () => Promise<readonly string[]>;
  /** Returns packets that the kernel forwarded for its current pairs. */
  readonly forwarded?: () => Promise<number>;
}

/** The relay of a gateway: one port for each pair, with the kernel forwarding between learned addresses. */
export class RelayServer {
  readonly #host: RelayHost;
  /** `text` is the item as opened; empty when the port failed and will be reopened with the next state. */
  readonly #ports = new Map<string, { text: string; readonly port: RelayPort }>();
  readonly #learned: Map<string, Learned>;
  readonly #portHost: PortHost;
  #echo: { readonly port: number; readonly echo: RelayEcho } | null = null;
  #applying: Promise<void> = Promise.resolve();
  #forwarding: Promise<void> = Promise.resolve();

  /** Interval of reports: strangers can send datagrams to a relay, so errors are reported rarely. */
  readonly #broken = occasionally(
    (error, before) => {
      const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#host.log.error('the relay failed on what it was told or sent', { cause, before });
    },
    () => this.#host.now(),
  );

  constructor(host: RelayHost) {
    this.#host = host;
    this.#learned = new Map(host.remembered);
    this.#portHost = {
      now: host.now,
      learned: (id, learned) => this.#moved(id, learned),
      broken: this.#broken,
      failed: (id, error) => {
        const failed = this.#ports.get(id);
        if (failed !== undefined) failed.text = '';
        this.#failed(id, error);
      },
    };
  }

  /** Relays exactly these items, after earlier changes are complete. Does not reject. */
  apply(items: ReadonlyMap<string, StateItem>): Promise<void> {
    this.#applying = this.#applying.then(() => this.#apply(items)).catch(this.#broken);
    return this.#applying;
  }

  /** Repairs foreign changes in the kernel. For the sweep; does not reject. */
  check(): Promise<void> {
    this.#applying = this.#applying.then(() => this.#check()).catch(this.#broken);
    return this.#applying;
  }

  /** Returns packets forwarded so far by the process and the kernel; null when the kernel gives no count. */
  async packets(): Promise<number | null> {
    const own = [...this.#ports.values()].reduce((sum, { port }) => sum + port.counters.forwarded, 0);
    if (this.#ports.size === 0 || this.#host.forwarded === undefined) return own;
    return this.#host.forwarded().then(
      (inKernel) => own + inKernel,
      () => null,
    );
  }

  /** Returns pairs with two known ends. */
  get relayed(): number {
    return [...this.#ports.values()].filter(({ port }) => port.learned.every((address) => address !== null)).length;
  }

  counters(): ReadonlyMap<string, PortCounters> {
    return new Map(this.#ports.entries().map(([id, { port }]) => [id, port.counters]));
  }

  /** Ends the work of the process; the kernel continues to forward. */
  async stop(): Promise<void> {
    await this.#applying;
    for (const { port } of this.#ports.values()) port.close();
    this.#ports.clear();
    this.#listen(null);
    await this.#forwarding;
  }

  async #apply(items: ReadonlyMap<string, StateItem>): Promise<void> {
    const gateway = items.get('gateway');
    this.#listen(gateway?.kind === 'gateway' && gateway.intent !== 'OFFLINE' ? gateway.relayPorts : null);
    const relays = relayPairsOf(items);
    const wanted = new Map(relays.map((item) => [item.id, item]));
    const gone = [...this.#ports].filter(([id]) => !wanted.has(id));
    for (const [id, { port }] of gone) this.#close(id, port);
    this.#forget(new Set(wanted.keys()));
    // The end of a pair does not wait for name resolution.
    if (gone.length > 0) await this.#forward();
    const changed = relays.filter((item) => this.#ports.get(item.id)?.text !== JSON.stringify(item));
    const found = await Promise.all(changed.map(async (item) => [item, await peersOf(item)] as const));
    // All old ports close first, because a new pair may use the port of an old one.
    for (const { id } of changed) this.#ports.get(id)?.port.close();
    for (const [item, peers] of found) this.#open(item, peers);
    await this.#forward();
  }

  async #check(): Promise<void> {
    if (this.#ports.size === 0 || this.#host.verify === undefined) return;
    const differences = await this.#host.verify().catch(() => []);
    if (differences.length === 0) return;
    await this.#forward();
    const what = differences.join('; ');
    this.#host.log.warn('another program changed the relay table; the changes are reverted', { what });
  }

  #listen(ports: GatewayItem['relayPorts']): void {
    if (ports?.from === this.#echo?.port) return;
    this.#echo?.echo.close();
    this.#echo = null;
    if (ports === null) return;
    const port = ports.from;
    const echo = new RelayEcho(
      port,
      (error) => {
        if (this.#echo?.echo === echo) this.#listen(null);
        this.#failed(`port ${port}`, error);
      },
      this.#broken,
    );
    this.#echo = { port, echo };
  }

  #open(item: RelayItem, peers: readonly [PairPeer, PairPeer]): void {
    const port = new RelayPort(item, peers, this.#learned.get(item.id) ?? [null, null], this.#portHost);
    this.#ports.set(item.id, { text: JSON.stringify(item), port });
  }

  #close(id: string, port: RelayPort): void {
    port.close();
    this.#ports.delete(id);
  }

  #moved(id: string, learned: Learned): void {
    this.#learned.set(id, learned);
    this.#host.remember(this.#learned);
    void this.#forward();
  }

  #forget(kept: ReadonlySet<string>): void {
    const gone = [...this.#learned.keys()].filter((id) => !kept.has(id));
    for (const id of gone) this.#learned.delete(id);
    if (gone.length > 0) this.#host.remember(this.#learned);
  }

  /** Runs one after another; the last run uses the state known then. */
  #forward(): Promise<void> {
    const { forward, log } = this.#host;
    if (forward === null) return Promise.resolve();
    const turn = this.#forwarding.then(async () => {
      const pairs = [...this.#ports.values()].map(({ port }) => ({ item: port.item, learned: port.learned }));
      await forward(pairs).catch((error: Error) =>
        log.warn('the kernel does not relay: this process does, which is slower', { reason: error.message }),
      );
    });
    this.#forwarding = turn.catch(this.#broken);
    return this.#forwarding;
  }

  #failed(what: string, { code }: NodeJS.ErrnoException): void {
    this.#host.log.warn('a relay port cannot be used: another program may have it; choose other relayPorts', {
      relay: what,
      code: code ?? null,
    });
  }
}

async function peersOf({ peers }: RelayItem): Promise<[PairPeer, PairPeer]> {
  return (await Promise.all(peers.map(resolved))) as [PairPeer, PairPeer];
}

/** A name that does not resolve equals a missing endpoint: the peer must send first. */
async function resolved({ id, publicKey, endpoint }: RelayItem['peers'][number]): Promise<PairPeer> {
  return { id, publicKey, endpoint: endpoint === null ? null : await resolve(endpoint) };
}

async function resolve(endpoint: string): Promise<Address | null> {
  const parsed = parseEndpoint(endpoint);
  if (parsed === null || parsed.port === null) return null;
  try {
    const { address } = await lookup(parsed.host);
    return addressOf(address, parsed.port);
  } catch {
    return null;
  }
}
