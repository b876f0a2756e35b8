import type { DeviceItem } from '@sallyport/contract/channel';
import type { DeviceStatus, PeerConfig, PeerStatus } from '@sallyport/wireguard';
import { restingPeer } from '../reconcile/wanted.ts';
import { type CallerEffect, Callers } from './callers.ts';
import type { Names } from './names.ts';
import { keepaliveSeconds, type Outbox } from './outbox.ts';
import type { PathsTiming } from './types.ts';
import { SilenceWatch } from './watch.ts';

/** A reading of the WireGuard device, with its time. */
export interface Look {
  readonly device: DeviceStatus | null;
  readonly at: number;
}

/** Devices of a gateway. Devices search for the gateway, which only answers. */
export class DeviceSide {
  readonly #names: Names;
  readonly #outbox: Outbox;
  readonly #remembered: (publicKey: string) => string | undefined;
  readonly #callers: Callers;
  #items = new Map<string, DeviceItem>();
  readonly #silence = new SilenceWatch();
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

  /** Sets the devices with their own tunnels. It sends to a new relay at once, because the relay cannot find us. */
  setItems(items: readonly DeviceItem[], look: Look, now: number): void {
    const before = this.#items;
    this.#items = new Map(items.map((item) => [item.id, item]));
    this.#callers.keep(new Set(this.#items.keys()));
    this.#silence.keep(new Set(this.#items.keys()));
    this.#watchAt = items.length === 0 ? Infinity : Math.min(this.#watchAt, now + calmMs);
    for (const item of items) {
      if (item.relay !== null && item.relay !== before.get(item.id)?.relay) this.call(item.id, [], look, now);
    }
  }

  /** Handles a report that a device at these addresses receives nothing from us. */
  call(device: string, endpoints: readonly string[], look: Look, now: number): void {
    const item = this.#items.get(device);
    if (item === undefined) return;
    const last = { peer: this.#peerOf(device, look) ?? null, at: look.at };
    this.#follow(this.#callers.call(device, endpoints, this.#relayOf(item, now), last, now), now);
  }

  /** Returns true if our own NAT mapping may have changed. */
  seen(look: Look): boolean {
    this.#follow(
      this.#callers.seen((device) => this.#peerOf(device, look), look.at),
      look.at,
    );
    return this.#watching && this.#watch(look);
  }

  tick(now: number): void {
    this.#follow(this.#callers.tick(now), now);
    if (now < this.#watchAt) return;
    this.#watchAt = Infinity;
    this.#watching = true;
    this.#outbox.readStatus(now, false);
  }

  /** Handles a new address of a relay's name. */
  resolved(host: string, look: Look, now: number): void {
    for (const { id, relay } of this.#items.values()) if (relay?.startsWith(`${host}:`)) this.call(id, [], look, now);
  }

  nextDeadline(): number {
    return Math.min(this.#callers.nextDeadline(), this.#watchAt);
  }

  /** Returns the peer of a device. A relayed peer has a keepalive, because relays and NATs forget a silent side. */
  peerConfig(item: DeviceItem, now: number): PeerConfig {
    const endpoint = this.#remembered(item.publicKey) ?? this.#relayOf(item, now) ?? undefined;
    const keepalive = item.relay === null ? {} : { persistentKeepalive: keepaliveSeconds };
    return { ...restingPeer(item), ...(endpoint && { endpoint }), ...keepalive };
  }

  /**
   * A device may not reach us because our NAT mapping changed. We send to its last endpoint and to its relay. This works
   * without the controller. Returns true if a device has suddenly fallen silent.
   */
  #watch(look: Look): boolean {
    this.#watching = false;
    let sudden = false;
    for (const item of this.#items.values()) {
      const peer = this.#peerOf(item.id, look);
      const silence = peer === undefined ? null : this.#silence.seen(item.id, peer, look.at);
      if (silence === 'long' && item.relay !== null) this.call(item.id, [], look, look.at);
      if (silence === 'sudden') this.#remind(item, look.at);
      sudden ||= silence === 'sudden';
    }
    // Reading thousands of peers is expensive.
    const dearMs = look.device?.peers.size ?? 0;
    this.#watchAt = look.at + dearMs + (this.#silence.isBusy ? busyMs : calmMs);
    return sudden;
  }

  /** Sends one keepalive to the current endpoint of the device. */
  #remind(item: DeviceItem, now: number): void {
    const { endpoint: _stays, ...peer } = this.peerConfig(item, now);
    this.#outbox.poke(peer, false);
    if (peer.persistentKeepalive === undefined) this.#outbox.wireguard([{ kind: 'set', peer }]);
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

/** Intervals between readings: while devices use their tunnels, and while all are idle. */
const busyMs = 500;
const calmMs = 1_000;
