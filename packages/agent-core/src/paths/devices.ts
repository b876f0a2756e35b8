import type { DeviceItem } from '@sallyport/contract/channel';
import type { DeviceStatus, PeerConfig, PeerStatus } from '@sallyport/wireguard';
import { restingPeer } from '../reconcile/wanted.ts';
import { type CallerEffect, Callers } from './callers.ts';
import type { Names } from './names.ts';
import { keepaliveSeconds, type Outbox } from './outbox.ts';
import type { PathsTiming } from './types.ts';

export interface Look {
  readonly device: DeviceStatus | null;
  readonly at: number;
}

/** The devices of a gateway: they look for it, it only answers. */
export class DeviceSide {
  readonly #names: Names;
  readonly #outbox: Outbox;
  readonly #remembered: (publicKey: string) => string | undefined;
  readonly #callers: Callers;
  #items = new Map<string, DeviceItem>();
  /** Received from devices that have a relay, at the last watch. */
  #heard = new Map<string, number>();
  #watchAt = Infinity;
  #watching = false;

  constructor(
    timing: PathsTiming,
    names: Names,
    outbox: Outbox,
    remembered: (publicKey: string) => string | undefined,
  ) {
    this.#names = names;
    this.#outbox = outbox;
    this.#remembered = remembered;
    this.#callers = new Callers(timing);
  }

  has(device: string): boolean {
    return this.#items.has(device);
  }

  /** Devices that have tunnels of their own. A relay that is new is spoken to at once, for it can not find us. */
  setItems(items: readonly DeviceItem[], look: Look, now: number): void {
    const before = this.#items;
    this.#items = new Map(items.map((item) => [item.id, item]));
    this.#callers.keep(new Set(this.#items.keys()));
    for (const id of this.#heard.keys()) if (!this.#items.has(id)) this.#heard.delete(id);
    const relayed = items.some(({ relay }) => relay !== null);
    this.#watchAt = relayed ? Math.min(this.#watchAt, now + watchMs) : Infinity;
    for (const item of items) {
      if (item.relay !== null && item.relay !== before.get(item.id)?.relay) this.call(item.id, [], look, now);
    }
  }

  /** The device is said to be at these addresses, and to hear nothing from us. */
  call(device: string, endpoints: readonly string[], look: Look, now: number): void {
    const item = this.#items.get(device);
    if (item === undefined) return;
    const last = { peer: this.#peerOf(device, look) ?? null, at: look.at };
    this.#follow(this.#callers.call(device, endpoints, this.#relayOf(item, now), last, now), now);
  }

  seen(look: Look): void {
    this.#follow(
      this.#callers.seen((device) => this.#peerOf(device, look), look.at),
      look.at,
    );
    if (this.#watching) this.#watch(look);
  }

  tick(now: number): void {
    this.#follow(this.#callers.tick(now), now);
    if (now < this.#watchAt) return;
    this.#watchAt = now + watchMs;
    this.#watching = true;
    this.#outbox.readStatus(now, false);
  }

  /** A relay's name has another address. */
  resolved(host: string, look: Look, now: number): void {
    for (const { id, relay } of this.#items.values()) if (relay?.startsWith(`${host}:`)) this.call(id, [], look, now);
  }

  nextDeadline(): number {
    return Math.min(this.#callers.nextDeadline(), this.#watchAt);
  }

  /** A relay forgets an end that is silent, and so do the NATs before it: hence the keepalive. */
  peerConfig(item: DeviceItem, now: number): PeerConfig {
    const endpoint = this.#remembered(item.publicKey) ?? this.#relayOf(item, now) ?? undefined;
    const keepalive = item.relay === null ? {} : { persistentKeepalive: keepaliveSeconds };
    return { ...restingPeer(item), ...(endpoint && { endpoint }), ...keepalive };
  }

  /**
   * A device that has a relay and is silent may be looking for us there in vain, because our own NAT has moved and the relay
   * does not know it. That must not need a controller.
   */
  #watch(look: Look): void {
    this.#watching = false;
    for (const { id, relay } of this.#items.values()) {
      const rxBytes = this.#peerOf(id, look)?.rxBytes;
      if (relay === null || rxBytes === undefined) continue;
      const before = this.#heard.get(id);
      this.#heard.set(id, rxBytes);
      if (before === rxBytes) this.call(id, [], look, look.at);
    }
  }

  #follow(effects: readonly CallerEffect[], now: number): void {
    for (const effect of effects) {
      if (effect.kind === 'read-status') {
        this.#outbox.readStatus(now, false);
        continue;
      }
      const item = this.#items.get(effect.device);
      if (item === undefined) continue;
      const { endpoint: _other, ...peer } = this.peerConfig(item, now);
      if (effect.kind === 'aim') this.#outbox.aim(peer, effect.endpoint, false);
      else this.#outbox.poke({ ...peer, endpoint: effect.endpoint }, effect.anew);
    }
  }

  #relayOf({ relay }: DeviceItem, now: number): string | null {
    return relay === null ? null : (this.#names.endpointsOf(relay, now)[0] ?? null);
  }

  #peerOf(device: string, look: Look): PeerStatus | undefined {
    const item = this.#items.get(device);
    return item === undefined ? undefined : look.device?.peers.get(item.publicKey);
  }
}

/** A native device is heard every five seconds. */
const watchMs = 6_000;
