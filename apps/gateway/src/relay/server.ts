import { lookup } from 'node:dns/promises';
import { relayPairsOf } from '@sallyport/agent-core';
import type { Log } from '@sallyport/agent-runtime';
import { parseEndpoint } from '@sallyport/contract';
import type { GatewayItem, RelayItem, StateItem } from '@sallyport/contract/channel';
import { occasionally } from '@sallyport/contract/guard';
import { addressOf } from './addresses.ts';
import { RelayEcho } from './echo.ts';
import type { Address, Learned, PairPeer } from './pair.ts';
import { type PortCounters, type PortHost, RelayPort } from './port.ts';

/** A pair as the kernel is to forward it. */
export interface LearnedPair {
  readonly item: RelayItem;
  readonly learned: Learned;
}

export interface RelayHost {
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** What was learned by an earlier process, by relay id; and where it is kept. */
  readonly remembered: ReadonlyMap<string, Learned>;
  readonly remember: (learned: ReadonlyMap<string, Learned>) => void;
  /** Makes the kernel forward these pairs and no others. Null: it cannot, so the process does. */
  readonly forward: ((pairs: readonly LearnedPair[]) => Promise<void>) | null;
  /** What the kernel forwards otherwise than it was told, a sentence each. The next `forward` mends it. */
  readonly verify?: () => Promise<readonly string[]>;
  /** Packets that the kernel has forwarded for pairs that it still has. */
  readonly forwarded?: () => Promise<number>;
}

/** The relay of a gateway: a port for each pair that it is told of, the kernel for what is between learned addresses. */
export class RelayServer {
  readonly #host: RelayHost;
  /** `text`: the item as opened; empty: the port failed, and is opened anew when the state is looked at again. */
  readonly #ports = new Map<string, { text: string; readonly port: RelayPort }>();
  readonly #learned: Map<string, Learned>;
  readonly #portHost: PortHost;
  #echo: { readonly port: number; readonly echo: RelayEcho } | null = null;
  #applying: Promise<void> = Promise.resolve();
  #forwarding: Promise<void> = Promise.resolve();

  /** Strangers can send datagrams to a relay: what they break is told now and then. */
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

  /** Relays exactly what these items say, once what was said before is done. Does not reject. */
  apply(items: ReadonlyMap<string, StateItem>): Promise<void> {
    this.#applying = this.#applying.then(() => this.#apply(items)).catch(this.#broken);
    return this.#applying;
  }

  /** Mends what others have changed in the kernel. For the sweep; does not reject. */
  check(): Promise<void> {
    this.#applying = this.#applying.then(() => this.#check()).catch(this.#broken);
    return this.#applying;
  }

  /** Packets forwarded so far, by the process and the kernel; null: the kernel does not say. */
  async packets(): Promise<number | null> {
    const own = [...this.#ports.values()].reduce((sum, { port }) => sum + port.counters.forwarded, 0);
    if (this.#ports.size === 0 || this.#host.forwarded === undefined) return own;
    return this.#host.forwarded().then(
      (inKernel) => own + inKernel,
      () => null,
    );
  }

  /** Pairs whose two ends are known. */
  get relayed(): number {
    return [...this.#ports.values()].filter(({ port }) => port.learned.every((address) => address !== null)).length;
  }

  counters(): ReadonlyMap<string, PortCounters> {
    return new Map(this.#ports.entries().map(([id, { port }]) => [id, port.counters]));
  }

  /** Ends what the process does; the kernel goes on with what it was told. */
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
    // What ends does not wait for names.
    if (gone.length > 0) await this.#forward();
    const changed = relays.filter((item) => this.#ports.get(item.id)?.text !== JSON.stringify(item));
    const found = await Promise.all(changed.map(async (item) => [item, await peersOf(item)] as const));
    // All of them first: one may take the port of another.
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
    this.#host.log.warn('the relay table had changed behind our back, and is made again', { what });
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

  /** One after the other, and the last with what is known then. */
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

/** A name that does not resolve is as good as no endpoint: the peer has to speak first. */
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
