import type { BeaconItem, DeviceItem, PathReport, PeerItem, StateItem } from '@sallyport/contract/channel';
import type { PeerChange, PeerConfig } from '@sallyport/wireguard';
import { isTunnel, mayPass, restingPeer } from '../reconcile/wanted.ts';
import { Beacons } from './beacons.ts';
import { type Move, RouteChooser } from './chooser.ts';
import { DeviceSide, type Look } from './devices.ts';
import { type FinderEffect, PathFinder } from './finder.ts';
import { InBand, type Ways } from './in-band.ts';
import { Names } from './names.ts';
import { keepaliveSeconds, Outbox } from './outbox.ts';
import { RelayMeter } from './relay-times.ts';
import { RouteLook } from './route-look.ts';
import type { Candidate } from './search.ts';
import { Traffic } from './traffic.ts';
import { candidatesOf, carriersOf, sameItems, type Tunnel, viewOf } from './tunnels.ts';
import {
  defaultPathsTiming,
  type PathEffect,
  type PathInput,
  type PathsConfig,
  type PathsTiming,
  type PathsView,
  type RelayTimes,
} from './types.ts';

/**
 * Finds paths to all gateways of a state, and chooses the gateway of each route. On a gateway it also finds devices. It takes
 * inputs and returns effects, which the caller carries out in order. `nextDeadline` says when to send a `tick`.
 *
 * The plane calls `peerConfig` when it loads or changes a device, so that it never undoes a decision of this class.
 */
export class Paths {
  readonly #config: PathsConfig;
  readonly #timing: PathsTiming;
  readonly #names = new Names();
  readonly #outbox = new Outbox();
  readonly #chooser: RouteChooser;
  readonly #devices: DeviceSide;
  readonly #meter: RelayMeter;
  readonly #inBand = new InBand(() => this.#nextProbe());
  readonly #ways: Ways;
  readonly #routeLook: RouteLook;
  readonly #beacons = new Beacons(
    (endpoint) => this.#names.endpointsOf(endpoint, this.#now)[0],
    (item, moved) => this.#outbox.turn(this.peerConfig(item), moved),
  );
  #peers = new Map<string, Tunnel>();
  #items: readonly StateItem[] = [];
  #probes = 0;
  /** Peer of each pending probe. */
  readonly #probing = new Map<number, string>();
  #look: Look = { device: null, at: -Infinity };
  #lookAt = Infinity;
  #shownAt = -Infinity;
  #chosenAt = -Infinity;
  #carriersChanged = false;
  #now = 0;

  constructor(config: PathsConfig) {
    this.#config = config;
    this.#timing = { ...defaultPathsTiming, ...config.timing };
    this.#chooser = new RouteChooser(config.agent, this.#timing.holdMs, (prefix, gateway) =>
      this.#inBand.isMute(prefix, gateway),
    );
    this.#ways = {
      carrierOf: (prefix) => this.#chooser.carrierOf(prefix),
      isUp: (id) => this.#peers.get(id)?.finder.isUp ?? false,
      rttMs: (id) => this.#peers.get(id)?.finder.rttMs ?? null,
    };
    this.#devices = new DeviceSide(this.#timing, this.#names, this.#outbox, config.remembered);
    this.#meter = new RelayMeter(this.#timing);
    this.#routeLook = new RouteLook(this.#inBand, config.watchesRoutes ?? false);
  }

  /** `now`: milliseconds of a clock that never goes back. */
  handle(input: PathInput, now: number): PathEffect[] {
    this.#now = now;
    this.#take(input);
    this.#due();
    return this.#outbox.take();
  }

  /** Time of the next tick. Null: only inputs can change anything. */
  nextDeadline(): number | null {
    const all = [this.#lookAt, this.#devices.nextDeadline(), this.#meter.nextDeadline(), this.#chooser.nextDeadline()];
    for (const { finder } of this.#peers.values()) all.push(finder.nextDeadline());
    const at = Math.min(...all, this.#names.nextDeadline(), this.#inBand.nextDeadline());
    return at === Infinity ? null : at;
  }

  /** Returns the current WireGuard peer of an item. Its endpoint is an IP address, or absent while none is known. */
  peerConfig(item: PeerItem | BeaconItem | DeviceItem): PeerConfig {
    if (item.kind === 'device') return this.#devices.peerConfig(item, this.#now);
    const peer = restingPeer(item);
    const carried = item.kind === 'peer' ? this.#chooser.carriedBy(item.id) : [];
    const endpoint = item.kind === 'peer' ? this.#endpointOf(item) : this.#beacons.at(item);
    // The agent only answers a beacon without an endpoint.
    const silent = item.kind === 'beacon' && item.endpoint === null;
    return {
      ...{ ...peer, allowedIps: [...new Set([...peer.allowedIps, ...carried])] },
      ...(endpoint && { endpoint }),
      ...(silent ? {} : { persistentKeepalive: keepaliveSeconds }),
    };
  }

  /** Returns the view for `sally status`. */
  view(): PathsView {
    return { paths: [...this.#peers.values()].map(viewOf), routes: this.#chooser.view(carriersOf(this.#peers)) };
  }

  /** Returns the path to every gateway, for heartbeats. */
  reports(): PathReport[] {
    return [...this.#peers].map(([peer, { finder }]) => ({
      peer,
      via: finder.isUp ? (finder.relay ?? 'direct') : null,
      rttMs: finder.rttMs,
    }));
  }

  /** Returns the measured relay points, for heartbeats. */
  relays(): RelayTimes {
    return this.#meter.times();
  }

  #take(input: PathInput): void {
    switch (input.kind) {
      case 'items':
        this.#takeItems(mayPass(input.items) ? [...input.items.values()] : []);
        return;
      case 'closed':
        this.#takeItems([]);
        return;
      case 'probed':
        this.#probed(input.probe, input.rttMs);
        return;
      case 'tried':
        if (this.#inBand.tried(input.probe, input.outcome, this.#now)) this.#carriersChanged = true;
        return;
      case 'traffic':
        this.#routeLook.took(input, this.#ways, this.#now);
        return;
      case 'status':
        this.#seen({ device: input.device, at: this.#now });
        return;
      case 'punch':
        this.#punched(input.peer, input.endpoints);
        return;
      case 'network-changed':
        this.#networkChanged();
        return;
      case 'resolved':
        this.#resolved(input.host, input.addresses);
        return;
      case 'measured':
        this.#meter.measured(input.relay, input.rttMs, this.#now);
        return;
      case 'tick':
        return;
    }
  }

  #due(): void {
    const now = this.#now;
    for (const tunnel of this.#peers.values()) {
      if (tunnel.finder.nextDeadline() <= now) this.#follow(tunnel, tunnel.finder.tick(now));
    }
    this.#devices.tick(now);
    if (now >= this.#lookAt) this.#readStatus(false);
    this.#outbox.push(...this.#meter.due((endpoint) => this.#names.endpointsOf(endpoint, now)[0], now));
    this.#try();
    this.#setPeers(this.#choose(), () => true);
    for (const host of this.#names.takeQuestions(now)) this.#outbox.push({ kind: 'resolve', host });
  }

  // ---- items

  #takeItems(items: readonly StateItem[]): void {
    // A sweep repeats known items and moves nothing.
    if (sameItems(this.#items, items)) return;
    this.#items = items;
    this.#names.begin();
    const now = this.#now;
    const before = this.#peers;
    const peers = items.filter((item) => item.kind === 'peer');
    this.#peers = new Map(peers.map((item) => [item.id, this.#tunnel(item, before.get(item.id))]));
    this.#beacons.set(
      items.filter((item) => item.kind === 'beacon'),
      this.#look,
    );
    const devices = items.filter((item) => item.kind === 'device').filter((item) => isTunnel(item));
    this.#devices.setItems(devices, this.#look, now);
    const points = items.filter((item) => item.kind === 'relay-point');
    this.#meter.setPoints(points, now);
    this.#lookAt = this.#peers.size === 0 ? Infinity : Math.min(this.#lookAt, now + this.#timing.statusMs);
    this.#takeRoutes(items, before);
    for (const tunnel of this.#peers.values()) {
      const known = before.get(tunnel.item.id)?.finder === tunnel.finder;
      const effects = known ? tunnel.finder.offer(this.#candidates(tunnel.item), now) : this.#start(tunnel);
      this.#follow(tunnel, effects);
    }
  }

  #nextProbe(): number {
    this.#probes += 1;
    return this.#probes;
  }

  /** New peers get their routes from the plane, which creates them. */
  #takeRoutes(items: readonly StateItem[], before: ReadonlyMap<string, Tunnel>): void {
    const routes = items.filter((item) => item.kind === 'route');
    this.#chooser.setRoutes(routes);
    this.#routeLook.setItems(items, routes);
    const until = this.#now + this.#timing.candidateMs;
    for (const { item } of this.#peers.values()) {
      if (before.has(item.id)) continue;
      const found = this.#look.device?.peers.get(item.publicKey)?.allowedIps ?? [];
      for (const prefix of found) this.#chooser.adopt(prefix, item.id, until);
    }
    this.#carriersChanged = true;
    const moves = this.#choose();
    this.#setPeers(moves, (id) => before.get(id)?.item.publicKey === this.#peers.get(id)?.item.publicKey);
  }

  /** A gateway with a new key is a new peer. */
  #tunnel(item: PeerItem, known: Tunnel | undefined): Tunnel {
    if (known !== undefined && known.item.publicKey === item.publicKey) return { ...known, item };
    const finder = new PathFinder(this.#timing, () => this.#nextProbe());
    return { item, finder, traffic: new Traffic() };
  }

  #start({ item, finder }: Tunnel): FinderEffect[] {
    const present = this.#look.device?.peers.get(item.publicKey)?.endpoint;
    return finder.start(this.#candidates(item), present ?? this.#config.remembered(item.publicKey), this.#now);
  }

  #candidates(item: PeerItem): Candidate[] {
    return candidatesOf(item, (endpoint) => this.#names.endpointsOf(endpoint, this.#now));
  }

  #endpointOf(item: PeerItem): string | undefined {
    return this.#peers.get(item.id)?.finder.endpoint ?? this.#candidates(item)[0]?.endpoint;
  }

  // ---- inputs

  #probed(probe: number, rttMs: number | null): void {
    const tunnel = this.#peers.get(this.#probing.get(probe) ?? '');
    this.#probing.delete(probe);
    if (tunnel === undefined) return;
    if (rttMs !== null) tunnel.traffic.refused(tunnel.item.addresses[0] ?? '');
    this.#follow(tunnel, tunnel.finder.probed(probe, rttMs, this.#now));
  }

  #seen(look: Look): void {
    this.#look = look;
    this.#outbox.looked(look.at);
    for (const tunnel of this.#peers.values()) {
      const { item, finder, traffic } = tunnel;
      const status = look.device?.peers.get(item.publicKey) ?? null;
      const isActive = traffic.seen(status, look.at);
      this.#follow(tunnel, finder.setActive(isActive, look.at));
      const answers = traffic.answers(status, look.at);
      this.#follow(tunnel, finder.seen(status, look.at));
      if (answers === 'answered') this.#inBand.answered(item.id, look.at);
      if (answers === 'silent' && finder.isUp) this.#inBand.silent(item.id, this.#ways, look.at);
      const question = isActive ? this.#routeLook.ask(look.at) : null;
      if (question !== null) this.#outbox.push(question);
    }
    if (this.#devices.seen(look)) this.#showSelf();
  }

  #punched(id: string, endpoints: readonly string[]): void {
    const addresses = endpoints.flatMap((endpoint) => this.#names.endpointsOf(endpoint, this.#now));
    const tunnel = this.#peers.get(id);
    if (tunnel !== undefined) this.#follow(tunnel, tunnel.finder.punch(addresses, this.#now));
    else if (this.#devices.has(id)) {
      this.#devices.call(id, addresses, this.#look, this.#now);
      this.#showSelf();
    }
  }

  #networkChanged(): void {
    for (const tunnel of this.#peers.values()) this.#follow(tunnel, tunnel.finder.networkChanged(this.#now));
    this.#showSelf();
    this.#meter.hurry(this.#now);
  }

  #resolved(host: string, addresses: readonly string[]): void {
    if (!this.#names.resolved(host, addresses, this.#now)) return;
    for (const tunnel of this.#peers.values()) {
      this.#follow(tunnel, tunnel.finder.offer(this.#candidates(tunnel.item), this.#now));
    }
    this.#beacons.resolved();
    this.#devices.resolved(host, this.#look, this.#now);
    this.#meter.hurry(this.#now);
  }

  // ---- outputs

  #follow(tunnel: Tunnel, effects: readonly FinderEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'aim') this.#outbox.aim(this.peerConfig(tunnel.item), effect.endpoint, effect.anew);
      else if (effect.kind === 'probe') this.#probe(tunnel, effect.probe);
      else if (effect.kind === 'find-path') {
        // Old names are looked up again.
        this.#candidates(tunnel.item);
        this.#outbox.push({ kind: 'find-path', peer: tunnel.item.id, relay: effect.relay });
      } else if (effect.kind === 'read-status') this.#readStatus(true);
      else if (effect.kind === 'lost') this.#lost(tunnel);
      else this.#changed(tunnel);
    }
  }

  #probe({ item, traffic }: Tunnel, probe: number): void {
    const [address = ''] = item.addresses;
    traffic.probed(address);
    this.#probing.set(probe, item.id);
    this.#outbox.push({ kind: 'probe', probe, peer: item.id, address, timeoutMs: probeTimeoutMs });
  }

  #changed({ item, finder }: Tunnel): void {
    this.#carriersChanged = true;
    const { state, relay, endpoint } = finder;
    const how = relay === null ? '' : ` by ${this.#nameOf(relay)}`;
    const where = endpoint === null ? '' : ` at ${endpoint}`;
    this.#outbox.tell(state === 'searching' ? 'detail' : 'notice', `${item.name} is ${state}${how}${where}`);
  }

  #lost(tunnel: Tunnel): void {
    this.#showSelf();
    for (const other of this.#peers.values()) if (other !== tunnel) this.#follow(other, other.finder.hurry(this.#now));
  }

  /** Our NAT mapping may have changed, so beacons and relays must see the new one. */
  #showSelf(): void {
    if (this.#now - this.#shownAt < showPauseMs) return;
    this.#shownAt = this.#now;
    for (const item of this.#beacons.contacted) this.#outbox.poke(this.peerConfig(item), false);
  }

  #readStatus(fresh: boolean): void {
    const dearMs = this.#look.device?.peers.size ?? 0;
    if (this.#peers.size > 0) this.#lookAt = this.#now + this.#timing.statusMs + dearMs;
    this.#outbox.readStatus(this.#now, fresh);
  }

  // ---- routes

  /** Chooses routes. Round-trip times vary, so they count only at intervals. All other changes count at once. */
  #choose(): Move[] {
    const now = this.#now;
    const due = now >= this.#chooser.nextDeadline() || now - this.#chosenAt >= chooseMs;
    if (!this.#carriersChanged && !due) return [];
    this.#carriersChanged = false;
    this.#chosenAt = now;
    const carriers = carriersOf(this.#peers);
    const moves = this.#chooser.choose(carriers, now);
    if (!this.#inBand.chosen(moves, now)) return moves;
    const back = this.#chooser.choose(carriers, now);
    this.#inBand.chosen(back, now);
    return [...moves, ...back];
  }

  /** Connects to targets of routes whose traffic gets no answers. */
  #try(): void {
    const { tries, changed } = this.#inBand.due(this.#ways, this.#now);
    if (changed) this.#carriersChanged = true;
    for (const effect of tries) {
      this.#peers.get(effect.gateway)?.traffic.tried();
      this.#outbox.push({ kind: 'try', ...effect });
    }
  }

  /** The gateway that gains a prefix comes first, so that the prefix always has an owner. */
  #setPeers(moves: readonly Move[], mayTouch: (gateway: string) => boolean): void {
    const touched = new Set([...moves.map(({ to }) => to), ...moves.map(({ from }) => from)]);
    const tunnels = [...touched].flatMap((id) => (id !== null && mayTouch(id) ? (this.#peers.get(id) ?? []) : []));
    this.#outbox.wireguard(
      tunnels.map(({ item }): PeerChange => {
        const { endpoint: _stays, ...peer } = this.peerConfig(item);
        return { kind: 'set', peer };
      }),
    );
    for (const { prefix, from, to } of moves) {
      this.#outbox.tell('detail', `${prefix} goes from ${this.#nameOf(from)} to ${this.#nameOf(to)}`);
    }
  }

  #nameOf(gateway: string | null): string {
    return gateway === null ? 'no gateway' : (this.#peers.get(gateway)?.item.name ?? gateway);
  }
}

const probeTimeoutMs = 2_000;
const showPauseMs = 1_000;
const chooseMs = 1_000;
