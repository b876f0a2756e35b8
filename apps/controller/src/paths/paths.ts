import type { World } from '@sallyport/policy';
import type { Mapping } from '../beacon/mappings.ts';
import type { AgentRef, Channel, DesiredStates } from '../channel/types.ts';
import type { Store } from '../db/store.ts';
import { RequestRate } from './rate.ts';
import { RecentRequests } from './recent-requests.ts';
import { mayRelay, type Pair, type RatedRelay, rankRelays } from './relay-choice.ts';
import {
  type AllocationOutcome,
  allocateRelay,
  endUnneeded,
  pairsOfDraining,
  type RelayPairRow,
} from './relay-pairs.ts';
import { renew } from './renew.ts';

/** Parts of the controller that paths use. */
export interface PathsDeps {
  readonly store: Store;
  readonly channel: Pick<Channel, 'presence' | 'paths' | 'relayTimes' | 'punch' | 'onFindPath' | 'gather'>;
  readonly states: Pick<DesiredStates, 'current'>;
  readonly worlds: { world(tenant: string): Promise<World> };
  /** Returns the mapping that the beacon sees for an agent now. */
  readonly mapping: (agent: string) => Mapping;
  /** Whether other processes use the database, and may know paths of agents that this one does not. */
  readonly shared: () => boolean;
  readonly log: { readonly warn: (facts: object, text: string) => void };
}

/** Figures for the metrics. */
export interface PathCounters {
  /** Requests of agents by outcome. `rate` and `stranger` are refused. */
  readonly requests: Record<'served' | 'rate' | 'stranger', number>;
  /** Agents that were told to send to a peer. */
  punches: number;
  /** Requests for a relay, by outcome. `away`: the peer could not be told about it. */
  readonly relays: Record<AllocationOutcome | 'away', number>;
}

/**
 * Connects agents that do not reach each other: tells both to send at once, and lets a relay forward between them if
 * that fails.
 */
export class Paths {
  readonly counters: PathCounters = {
    requests: { served: 0, rate: 0, stranger: 0 },
    punches: 0,
    relays: { kept: 0, allocated: 0, exhausted: 0, none: 0, gone: 0, away: 0 },
  };
  readonly #deps: PathsDeps;
  readonly #startedAt: number;
  readonly #rate = new RequestRate({ everyMs: 450, burst: 64, perSecond: 16, remembered: 100_000 });
  readonly #recent = new RecentRequests(recentMs);
  /** Peers that an agent may ask for, with the hash of the state that names them. */
  readonly #peers = new Map<string, { readonly hash: string; readonly ids: ReadonlySet<string> }>();
  readonly #unsubscribe: () => void;
  #sweptAt: number;

  constructor(deps: PathsDeps) {
    this.#deps = deps;
    this.#startedAt = this.#sweptAt = deps.store.now();
    this.#unsubscribe = deps.channel.onFindPath((agent, request) => {
      this.find(agent, request).catch((error) =>
        deps.log.warn({ err: error, agent: agent.id, peer: request.peer }, 'could not find a path'),
      );
    });
  }

  /** Serves a request, if the agent may make it. */
  async find(agent: AgentRef, { peer, relay }: { readonly peer: string; readonly relay: boolean }): Promise<void> {
    const { requests } = this.counters;
    if (!this.#rate.admits(agent.id, `${peer} ${relay}`, this.#deps.store.now())) requests.rate++;
    else if (!(await this.#mayAsk(agent.id, peer))) requests.stranger++;
    else {
      requests.served++;
      const world = await this.#deps.worlds.world(agent.tenant);
      this.#recent.add({ tenant: agent.tenant, agent: agent.id, peer }, this.#deps.store.now());
      this.#punch(world, agent.id, peer);
      if (relay && isAgent(world, agent.id) && isAgent(world, peer))
        await this.#relay(world, agent.tenant, agent.id, peer);
    }
  }

  /**
   * The beacon sees an agent in another place. Its recent peers are told at once, but not about every move of an agent
   * that keeps moving: they would send wherever it claims to be.
   */
  async mapped(end: string): Promise<void> {
    if (!this.#rate.admits(end, 'mapped', this.#deps.store.now())) return;
    for (const { tenant, agent, peer } of this.#recent.of(end, this.#deps.store.now()))
      if (await this.#mayAsk(agent, peer)) this.#punch(await this.#deps.worlds.world(tenant), agent, peer);
  }

  /**
   * Moves pairs away from draining relays, and ends pairs without a request for a day. To be called from time to time, by
   * each process that uses the database: pairs that carry traffic are known to those that have their agents.
   */
  async sweep(): Promise<void> {
    await this.#leaveDraining();
    const now = this.#deps.store.now();
    if (now - this.#sweptAt < sweepEveryMs) return;
    this.#sweptAt = now;
    const asked = now - unneededMs;
    const before = this.#deps.shared() ? asked - othersMs : asked;
    await endUnneeded(this.#deps.store, { asked, before }, (pair) => this.#used(pair));
  }

  /** Moves pairs of a draining relay to another one, if there is one, before their flows are cut. */
  async #leaveDraining(): Promise<void> {
    const { store, worlds, channel } = this.#deps;
    for (const { tenant, a, b } of await pairsOfDraining(store)) {
      await channel.gather([a, b], 'paths');
      const world = await worlds.world(tenant);
      const relays = rankRelays(world, channel, { a, b }).map(({ gateway }) => gateway);
      const stays = ({ relay_id }: RelayPairRow) => {
        const relay = world.gateways.get(relay_id);
        return relay !== undefined && mayRelay(relay, { a, b });
      };
      if (relays.length > 0) this.counters.relays[await allocateRelay(store, tenant, { a, b }, relays, stays)]++;
    }
  }

  stop(): void {
    this.#unsubscribe();
  }

  /**
   * Returns whether a policy connects the two. Without one, an agent learns nothing about the other, and causes no
   * traffic to it.
   */
  async #mayAsk(agent: string, peer: string): Promise<boolean> {
    const state = await this.#deps.states.current(agent);
    if (state === null) return false;
    const known = this.#peers.get(agent);
    if (known?.hash === state.hash) return known.ids.has(peer);
    const ids = state.items().flatMap((item) => (item.kind === 'peer' || item.kind === 'device' ? [item.id] : []));
    const peers = { hash: state.hash, ids: new Set(ids) };
    renew(this.#peers, agent, peers, rememberedStates);
    return peers.ids.has(peer);
  }

  /**
   * A NAT lets packets in from addresses to which its own side has sent. So both sides send, each to the place where
   * the other is seen.
   */
  #punch(world: World, agent: string, peer: string): void {
    const { channel } = this.#deps;
    const [own, theirs] = [this.#endpoints(world, agent), this.#endpoints(world, peer)];
    if (own.length === 0 || !channel.punch(peer, agent, own)) return;
    this.counters.punches++;
    if (theirs.length > 0 && channel.punch(agent, peer, theirs)) this.counters.punches++;
  }

  /** Returns the endpoints of an agent. The beacon's view is newer than every row. */
  #endpoints(world: World, id: string): string[] {
    const mapping = this.#deps.mapping(id);
    const seen = mapping.kind === 'independent' ? [mapping.endpoint] : [];
    const gateway = world.gateways.get(id);
    if (gateway !== undefined) return [...new Set([...seen, ...gateway.endpoints])].slice(0, endpointLimit);
    const stored = world.devices.get(id)?.endpoint ?? null;
    return mapping.kind !== 'undecided' || stored === null ? seen : [stored];
  }

  async #relay(world: World, tenant: string, agent: string, peer: string): Promise<void> {
    const { store, channel, log } = this.#deps;
    // All agents look for a gateway that has died. With a port for each of them, none would be left for others.
    if (!channel.presence(peer).alive) {
      this.counters.relays.away++;
      return;
    }
    const pair = agent < peer ? { a: agent, b: peer } : { a: peer, b: agent };
    await channel.gather([agent, peer], 'paths');
    const ranked = rankRelays(world, channel, pair);
    const relays = ranked.map(({ gateway }) => gateway);
    const outcome = await allocateRelay(store, tenant, pair, relays, (known) =>
      this.#keeps(world, pair, known, ranked),
    );
    this.counters.relays[outcome]++;
    if (outcome === 'exhausted')
      log.warn(
        { tenant, relays: relays.map(({ id }) => id) },
        'relays have no port left: widen relayPorts, or add a relay',
      );
  }

  /** Gives a relay up when it is gone, or when it does not answer both ends and another one does. */
  #keeps(world: World, pair: Pair, known: RelayPairRow, [best]: readonly RatedRelay[]): boolean {
    const { channel, store } = this.#deps;
    const relay = world.gateways.get(known.relay_id);
    if (relay === undefined || !mayRelay(relay, pair)) return false;
    const { alive, lastSeen } = channel.presence(relay.id);
    const returning = lastSeen === null && store.now() - this.#startedAt < returnMs;
    if (!alive && !returning) return false;
    const answers = [pair.a, pair.b].every((end) => channel.relayTimes(end).has(relay.id));
    return answers || !best?.measured || store.now() - known.created_at < trialMs;
  }

  #used({ a, b, relay_id }: RelayPairRow): boolean {
    const through = (from: string, to: string) =>
      this.#deps.channel.paths(from).some(({ peer, via }) => peer === to && via === relay_id);
    return through(a, b) || through(b, a);
  }
}

const isAgent = (world: World, id: string): boolean =>
  world.gateways.has(id) || (world.devices.get(id)?.native ?? false);

/** Number of endpoints that a `punch` carries. */
const endpointLimit = 8;
const rememberedStates = 10_000;
/** How long a request is served again on news. After that the agent repeats it. */
const recentMs = 3_000;
/** Time for agents to come back after a start of the controller. */
const returnMs = 15_000;
/** Time for a new relay before it is compared with others. */
const trialMs = 15_000;
const unneededMs = 24 * 3600 * 1000;
const sweepEveryMs = 600_000;
/** Time for other processes to say that a pair carries traffic: several of their sweeps. */
const othersMs = 4 * sweepEveryMs;
