import type { BeaconItem, DeviceItem, PeerItem, RouteItem, StateItem } from '@sallyport/contract/channel';
import { Paths } from '../paths/paths.ts';
import type { PathEffect, PathInput, PathState, TryOutcome } from '../paths/types.ts';
import { clientConfigOf } from '../reconcile/wanted.ts';
import { beaconItem, clientItem, deviceItem, gatewayId, gatewayItem, peerItem, routeItem } from './items.ts';
import { type Datagram, type NatKind, Network, portOf } from './network.ts';
import { type Sealed, SimulatedTunnel } from './tunnel.ts';

const controllerIp = '203.0.113.1';
const relayIp = '198.51.100.250';
const relayGateway = gatewayId(250);

/** An agent: the real `Paths`, a simulated tunnel, and a host on the simulated network. */
export class PathAgent {
  readonly id: string;
  readonly ip: string;
  readonly tunnel: SimulatedTunnel;
  readonly paths: Paths;
  readonly #world: PathWorld;
  readonly #asked = new Map<number, { readonly at: number; readonly done: (rttMs: number) => void }>();
  #asks = 0;
  #armedAt = Infinity;
  #tickedAt = 0;
  #ticks = 0;
  /** All states of the paths to peers, with times. */
  readonly history: { readonly at: number; readonly peer: string; readonly state: PathState }[] = [];
  moves = 0;
  /** Connections to targets of routes. */
  tries = 0;

  constructor(world: PathWorld, id: string, ip: string, publicKey: string, nat: NatKind) {
    this.#world = world;
    this.id = id;
    this.ip = ip;
    this.tunnel = new SimulatedTunnel(world.network, ip, publicKey, (ask) => this.#answered(ask));
    this.paths = new Paths({ agent: id, remembered: () => undefined });
    world.network.attach(ip, nat, (datagram) => this.tunnel.receive(datagram));
  }

  /** Applies items like the event loop of a plane: first `Paths`, then the device. */
  take(items: readonly StateItem[]): void {
    const map = new Map(items.map((item) => [item.key, item]));
    this.input({ kind: 'items', items: map });
    const peerConfig = (item: Parameters<Paths['peerConfig']>[0]) => this.paths.peerConfig(item);
    const facts = { interface: 'sp0', privateKey: '', peerConfig, fwmark: 0, listenPort: 0 };
    const { peers } = clientConfigOf(map, facts);
    for (const key of this.tunnel.peers.keys()) {
      if (!peers.has(key)) this.tunnel.apply([{ kind: 'remove', publicKey: key }]);
    }
    for (const [key, peer] of peers) {
      const { endpoint: _roams, ...rest } = peer;
      this.tunnel.apply([{ kind: 'set', peer: this.tunnel.peers.has(key) ? rest : peer }]);
    }
  }

  input(input: PathInput): void {
    const effects = this.paths.handle(input, this.#world.network.now);
    for (const effect of effects) this.#perform(effect);
    this.#arm();
  }

  /** Sends one request through the owner of the prefix, to a resource of the route if it has one. */
  request(prefix: string, done: () => void): void {
    const owner = this.ownerOf(prefix);
    const beyond = this.#world.routes.some(({ id, resources }) => id === prefix && resources.length > 0);
    if (owner !== null) this.#ask(owner, done, beyond);
  }

  ownerOf(prefix: string): string | null {
    for (const [key, { config }] of this.tunnel.peers) if (config.allowedIps.includes(prefix)) return key;
    return null;
  }

  state(peer: string): PathState | undefined {
    return this.paths.view().paths.find((path) => path.peer === peer)?.state;
  }

  #perform(effect: PathEffect): void {
    const { network } = this.#world;
    switch (effect.kind) {
      case 'wireguard':
        this.tunnel.apply(effect.peers);
        return;
      case 'probe': {
        const key = this.#world.keyOf(effect.peer);
        if (!this.tunnel.peers.has(key)) {
          network.after(1, () => this.input({ kind: 'probed', probe: effect.probe, rttMs: null }));
          return;
        }
        const over = this.#ask(key, (rttMs) => this.input({ kind: 'probed', probe: effect.probe, rttMs }));
        network.after(effect.timeoutMs, () => {
          if (this.#asked.delete(over)) this.input({ kind: 'probed', probe: effect.probe, rttMs: null });
        });
        return;
      }
      case 'try':
        this.tries += 1;
        this.#try(effect.probe, effect.address, effect.timeoutMs);
        return;
      case 'read-traffic':
        return;
      case 'read-status':
        network.after(2, () => this.input({ kind: 'status', device: this.tunnel.status() }));
        return;
      case 'find-path':
        network.after(20, () => this.#world.findPath(this, effect.peer, effect.relay));
        return;
      case 'changed':
        for (const { peer, state } of this.paths.view().paths) this.#record(peer, state);
        return;
      case 'resolve':
      case 'measure':
        return;
    }
  }

  #record(peer: string, state: PathState): void {
    const last = this.history.findLast((entry) => entry.peer === peer);
    if (last?.state !== state) this.history.push({ at: this.#world.network.now, peer, state });
  }

  #try(probe: number, address: string, timeoutMs: number): void {
    const end = (outcome: TryOutcome) => this.input({ kind: 'tried', probe, outcome });
    const owner = this.ownerOf(`${address}/32`);
    const over = owner === null ? null : this.#ask(owner, () => end('answered'), true);
    this.#world.network.after(timeoutMs, () => {
      if (over === null || this.#asked.delete(over)) end('none');
    });
  }

  #ask(publicKey: string, done: (rttMs: number) => void, beyond = false): number {
    this.#asks += 1;
    this.#asked.set(this.#asks, { at: this.#world.network.now, done });
    this.tunnel.send(publicKey, { kind: 'ask', id: this.#asks, beyond });
    return this.#asks;
  }

  #answered(ask: number): void {
    const asked = this.#asked.get(ask);
    this.#asked.delete(ask);
    asked?.done(this.#world.network.now - asked.at);
  }

  #arm(): void {
    const at = this.paths.nextDeadline();
    if (at === null || at >= this.#armedAt) return;
    const { network } = this.#world;
    this.#armedAt = Math.max(at, network.now);
    const armedAt = this.#armedAt;
    network.after(armedAt - network.now, () => {
      if (this.#armedAt !== armedAt) return;
      this.#armedAt = Infinity;
      this.#ticks = this.#tickedAt === network.now ? this.#ticks + 1 : 0;
      this.#tickedAt = network.now;
      if (this.#ticks > 50) throw new Error('a deadline that has passed stays due');
      this.input({ kind: 'tick' });
    });
  }
}

/** NAT of each side of a simulated world. */
export interface PathWorldNats {
  /** One device, or several. */
  readonly device: NatKind | readonly NatKind[];
  readonly gateways: readonly NatKind[];
  /** Whether gateways have tunnels to each other. */
  readonly sites?: boolean;
}

/**
 * Devices, gateways, NATs, a relay, and a controller with beacons, in simulated time. The controller announces each side to
 * the other. While the controller is away, no announcements arrive.
 */
export class PathWorld {
  readonly network: Network;
  readonly devices: PathAgent[];
  readonly gateways: PathAgent[];
  /** Whether a relay is available. */
  relaying = true;
  away = false;
  routes: RouteItem[];
  /** Further facts in the items of gateways. */
  readonly facts = new Map<string, Partial<PeerItem>>();
  readonly #mapped = new Map<string, Map<number, string>>();
  /** Port of each pair of ends. */
  readonly #pairs = new Map<string, number>();
  readonly #sides = new Map<number, Map<string, string>>();
  readonly #deafUntil = new Map<string, number>();
  readonly #told = new Map<string, number>();
  readonly #items = new Map<string, DeviceItem>();
  readonly #sites: boolean;
  #started = false;

  constructor(dice: () => number, nats: PathWorldNats, latencyMs?: (from: string, to: string) => number) {
    this.#sites = nats.sites ?? false;
    this.network = new Network(dice, latencyMs);
    this.network.attach(controllerIp, 'open', (datagram) => this.#beacon(datagram));
    this.network.attach(relayIp, 'open', (datagram) => this.#relay(datagram));
    this.devices = [nats.device].flat().map((nat, n) => {
      const id = `11111111-1111-4111-8111-${`${n + 1}`.padStart(12, '0')}`;
      const item = deviceItem(n + 1, { id, key: `device/${id}` });
      this.#items.set(id, item);
      return new PathAgent(this, id, `198.18.0.${n + 1}`, item.publicKey, nat);
    });
    this.gateways = nats.gateways.map((nat, n) => {
      const { id: gateway, publicKey } = peerItem(n + 1);
      return new PathAgent(this, gateway, `198.19.0.${n + 1}`, publicKey, nat);
    });
    const all = this.gateways.map((_, n) => n + 1);
    this.routes = [routeItem('10.1.0.0/16', all)];
  }

  /** The first device. */
  get device(): PathAgent {
    const [device] = this.devices;
    if (device === undefined) throw new Error('there is no device');
    return device;
  }

  /** Starts gateways first, so that beacons know them before the devices start. */
  start(): this {
    for (const gateway of this.gateways) gateway.take(this.#stateOf(gateway));
    this.network.run(200);
    this.#started = true;
    for (const device of this.devices) device.take(this.#stateOf(device));
    return this;
  }

  keyOf(gateway: string): string {
    const found = this.gateways.find(({ id }) => id === gateway);
    if (found === undefined) throw new Error(`no gateway ${gateway}`);
    return found.tunnel.publicKey;
  }

  /** Sends new items to all agents. */
  tell(): void {
    if (this.away) return;
    for (const gateway of this.gateways) gateway.take(this.#stateOf(gateway));
    if (this.#started) for (const device of this.devices) device.take(this.#stateOf(device));
  }

  findPath(agent: PathAgent, peer: string, relay: boolean): void {
    if (this.away || this.network.isDead(agent.ip)) return;
    const other = this.gateways.find(({ id }) => id === peer);
    const pair = pairOf(agent.id, peer);
    const asked = `${agent.id} ${peer}`;
    if (other === undefined || this.network.now - (this.#told.get(asked) ?? -Infinity) < 900) return;
    this.#told.set(asked, this.network.now);
    this.network.after(20, () => {
      this.#punch(other, agent);
      this.#punch(agent, other);
      if (!relay || !this.relaying || this.#pairs.has(pair)) return;
      const port = 51_900 + this.#pairs.size;
      this.#pairs.set(pair, port);
      this.#sides.set(port, new Map());
      this.tell();
    });
  }

  /** Returns the gateway that receives a prefix from a device's tunnel. */
  ownerOf(prefix: string, device = this.device): PathAgent | null {
    const key = device.ownerOf(prefix);
    return this.gateways.find(({ tunnel }) => tunnel.publicKey === key) ?? null;
  }

  /** Drops all NAT mappings of an agent. The controller cannot reach the agent until it sends again. */
  rebind(agent: PathAgent): void {
    this.network.rebind(agent.ip);
    this.#deafUntil.set(agent.id, this.network.now + 10_000);
  }

  killRelay(dead = true): void {
    this.network.kill(relayIp, dead);
  }

  /** Announces only agents with a known endpoint. */
  #punch(to: PathAgent, about: PathAgent): void {
    const endpoint = this.#mappingOf(about);
    if (this.away || this.network.isDead(to.ip) || endpoint === null) return;
    if (this.network.now < (this.#deafUntil.get(to.id) ?? 0)) return;
    to.input({ kind: 'punch', peer: about.id, endpoints: [endpoint] });
  }

  #stateOf(agent: PathAgent): StateItem[] {
    const beacons: BeaconItem[] = [beaconItem(1), beaconItem(2)];
    if (this.devices.includes(agent)) {
      const peers = this.gateways.map((gateway, n) => this.#peer(agent, gateway, n));
      return [clientItem(), ...beacons, ...this.routes, ...peers];
    }
    const devices = [...this.#items.values()].map((item) => {
      const port = this.#pairs.get(pairOf(item.id, agent.id));
      return { ...item, relay: port === undefined ? null : `${relayIp}:${port}` };
    });
    const others = this.#sites ? this.gateways.filter((gateway) => gateway !== agent) : [];
    const peers = others.map((gateway) => this.#peer(agent, gateway, this.gateways.indexOf(gateway)));
    return [gatewayItem(), ...beacons, ...devices, ...peers];
  }

  #peer(agent: PathAgent, gateway: PathAgent, n: number): PeerItem {
    const port = this.#pairs.get(pairOf(agent.id, gateway.id));
    const mapping = this.#mappingOf(gateway);
    const endpoints = mapping === null ? [] : [mapping];
    const relays = port === undefined ? [] : [{ gateway: relayGateway, endpoint: `${relayIp}:${port}` }];
    return peerItem(n + 1, { endpoints, relays, ...this.facts.get(gateway.id) });
  }

  #mappingOf(agent: PathAgent): string | null {
    const seen = new Set(this.#mapped.get(agent.tunnel.publicKey)?.values() ?? []);
    return seen.size === 1 ? ([...seen][0] ?? null) : null;
  }

  #beacon({ src, dst, body }: Datagram): void {
    const packet = body as Sealed;
    const port = portOf(dst);
    if (packet.kind === 'initiation') {
      const { from, to, session } = packet;
      this.network.send(controllerIp, src, { kind: 'response', from: to, to: from, session }, port);
      this.#learn(from, port, src);
    } else if (packet.kind === 'data') {
      const agent = [...this.devices, ...this.gateways].find(({ ip }) => packet.session.startsWith(`${ip} `));
      if (agent !== undefined) this.#learn(agent.tunnel.publicKey, port, src);
    }
  }

  #learn(publicKey: string, port: number, src: string): void {
    const mapped = this.#mapped.get(publicKey) ?? new Map();
    this.#mapped.set(publicKey, mapped);
    if (mapped.get(port) === src) return;
    mapped.set(port, src);
    const isGateway = this.gateways.some(({ tunnel }) => tunnel.publicKey === publicKey);
    if (isGateway && mapped.size > 1) this.network.after(20, () => this.tell());
  }

  #relay({ src, dst, body }: Datagram): void {
    const packet = body as Sealed;
    const port = portOf(dst);
    const sides = this.#sides.get(port);
    if (sides === undefined) return;
    if (packet.kind !== 'data') sides.set(packet.from, src);
    const from = [...sides].find(([, address]) => address === src)?.[0];
    const to = [...sides].find(([key]) => key !== from)?.[1] ?? this.#publicSide(port, from);
    if (from !== undefined && to !== null) this.network.send(relayIp, to, body, port);
  }

  /** Returns candidate endpoints of a side that has not sent anything. */
  #publicSide(port: number, from: string | undefined): string | null {
    const [pair] = [...this.#pairs].find(([, allocated]) => allocated === port) ?? [''];
    const [device, gateway] = pair.split(' ');
    const ends = [...this.devices, ...this.gateways].filter(({ id }) => id === device || id === gateway);
    const other = ends.find(({ tunnel }) => tunnel.publicKey !== from);
    return other === undefined ? null : this.#mappingOf(other);
  }
}

function pairOf(a: string, b: string): string {
  return [a, b].sort().join(' ');
}
