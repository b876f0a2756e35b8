import type { PeerStatus } from '@sallyport/wireguard';
import type { PathsTiming } from './types.ts';

/** Action that `Callers` requests. */
export type CallerEffect =
  /** Set the endpoint and send there at once. `anew`: create the peer again, because it has no session. */
  | { readonly kind: 'poke'; readonly device: string; readonly endpoint: string; readonly anew: boolean }
  /** Set the endpoint and send nothing. */
  | { readonly kind: 'aim'; readonly device: string; readonly endpoint: string }
  | { readonly kind: 'read-status' };

interface Call {
  readonly endpoints: readonly string[];
  readonly relay: string | null;
  before: PeerStatus | null;
  beforeAt: number;
  tries: number;
  /** Endpoint of the relay while a direct endpoint replaces it for a moment. */
  home: string | null;
  /** Time at which the relay endpoint is restored. */
  homeAt: number;
  /** Time at which the device must be read. */
  nextAt: number;
}

/**
 * Devices that search a path to this gateway. The gateway sends to a silent device at its reported endpoints until it
 * answers. It sends directly once to a device that answers through a relay. A device that answers directly needs nothing,
 * because its packets show its endpoint.
 */
export class Callers {
  readonly #timing: PathsTiming;
  readonly #calls = new Map<string, Call>();

  constructor(timing: PathsTiming) {
    this.#timing = timing;
  }

  /** `endpoints`: reported endpoints of the device. `last`: the newest reading of the device, and its time. */
  call(
    device: string,
    endpoints: readonly string[],
    relay: string | null,
    last: { readonly peer: PeerStatus | null; readonly at: number },
    now: number,
  ): CallerEffect[] {
    const present = this.#calls.get(device);
    if (present !== undefined && present.home !== null) return [];
    const known = last.peer !== null && now - last.at < freshMs;
    this.#calls.set(device, {
      endpoints,
      relay,
      before: present?.before ?? (known ? last.peer : null),
      beforeAt: present?.beforeAt ?? (known ? last.at : now),
      tries: 0,
      home: null,
      homeAt: 0,
      nextAt: now + listenMs,
    });
    return [{ kind: 'read-status' }];
  }

  /** Drops all other devices. */
  keep(devices: ReadonlySet<string>): void {
    for (const device of this.#calls.keys()) if (!devices.has(device)) this.#calls.delete(device);
  }

  /** Handles a reading of the WireGuard device. */
  seen(peerOf: (device: string) => PeerStatus | undefined, now: number): CallerEffect[] {
    return [...this.#calls].flatMap(([device, call]) => {
      const peer = peerOf(device);
      return peer === undefined ? [] : this.#judge(device, call, peer, now);
    });
  }

  tick(now: number): CallerEffect[] {
    const due = [...this.#calls.values()].filter(({ nextAt }) => now >= nextAt);
    for (const call of due) call.nextAt = now + listenMs;
    return due.length === 0 ? [] : [{ kind: 'read-status' }];
  }

  nextDeadline(): number {
    return Math.min(Infinity, ...[...this.#calls.values()].map(({ nextAt }) => nextAt));
  }

  #judge(device: string, call: Call, peer: PeerStatus, now: number): CallerEffect[] {
    if (call.home !== null) return this.#goHome(device, call, call.home, peer, now);
    const { before } = call;
    // The device never sent anything, so no answer is pending.
    if (peer.lastHandshake === null && call.tries === 0) return this.#knock(device, call, peer, now);
    if (before === null) {
      call.before = peer;
      call.beforeAt = now;
      return [];
    }
    if (peer.rxBytes > before.rxBytes || (peer.lastHandshake !== before.lastHandshake && peer.lastHandshake !== null)) {
      return this.#heard(device, call, peer, now);
    }
    if (now - call.beforeAt < listenMs) return [];
    return this.#knock(device, call, peer, now);
  }

  /** Tries the next endpoint after silence. A relay comes last, unless the device used it. */
  #knock(device: string, call: Call, peer: PeerStatus, now: number): CallerEffect[] {
    const relays = call.relay === null ? [] : [call.relay];
    const relayed = peer.endpoint === call.relay;
    const places = relayed ? [...relays, ...call.endpoints] : [...call.endpoints, ...relays];
    const endpoint = places[call.tries % Math.max(places.length, 1)];
    if (endpoint === undefined || call.tries >= rounds * places.length) {
      this.#calls.delete(device);
      return [];
    }
    call.tries += 1;
    call.before = peer;
    call.beforeAt = now;
    call.nextAt = now + this.#timing.candidateMs;
    // A relay learns the endpoint of a peer only from handshakes.
    const anew = peer.lastHandshake === null || call.tries > places.length || endpoint === call.relay;
    if (anew) call.before = { ...peer, rxBytes: 0 };
    return [{ kind: 'poke', device, endpoint, anew }];
  }

  #heard(device: string, call: Call, peer: PeerStatus, now: number): CallerEffect[] {
    const [direct] = call.endpoints;
    if (call.relay === null || peer.endpoint !== call.relay || direct === undefined) {
      this.#calls.delete(device);
      return [];
    }
    call.home = call.relay;
    call.before = peer;
    call.homeAt = now + this.#timing.trialMs;
    call.nextAt = call.homeAt;
    return [{ kind: 'poke', device, endpoint: direct, anew: false }];
  }

  /** Restores the relay endpoint, unless the device answered directly. */
  #goHome(device: string, call: Call, home: string, peer: PeerStatus, now: number): CallerEffect[] {
    if (now < call.homeAt && peer.rxBytes === call.before?.rxBytes) return [];
    this.#calls.delete(device);
    const came = peer.rxBytes !== call.before?.rxBytes;
    return came || peer.endpoint === home ? [] : [{ kind: 'aim', device, endpoint: home }];
  }
}

/** Milliseconds after which a device counts as silent. A searching device sends several times a second. */
const listenMs = 300;

/** Maximum age of a reading. An older one shows the device before its search. */
const freshMs = 1_500;
const rounds = 3;
