import type { PeerChange, PeerConfig } from '@sallyport/wireguard';
import type { PathEffect, PathNews } from './types.ts';

/** Effects of one input, in order. */
export class Outbox {
  #effects: PathEffect[] = [];
  #news: PathNews[] = [];
  #askedAt = -Infinity;
  #again = false;

  take(): PathEffect[] {
    const news: PathEffect[] = this.#news.length === 0 ? [] : [{ kind: 'changed', what: this.#news }];
    const effects = [...this.#effects, ...news];
    this.#effects = [];
    this.#news = [];
    return effects;
  }

  push(...effects: readonly PathEffect[]): void {
    this.#effects.push(...effects);
  }

  tell(level: PathNews['level'], message: string): void {
    this.#news.push({ level, message });
  }

  /**
   * Requests one reading at a time, because reading thousands of peers is expensive. `fresh`: a pending reading is not
   * enough, because something has just happened.
   */
  readStatus(now: number, fresh: boolean): void {
    if (now - this.#askedAt >= givenUpMs) {
      this.#askedAt = now;
      this.push({ kind: 'read-status' });
    } else if (fresh && !this.#effects.some(({ kind }) => kind === 'read-status')) this.#again = true;
  }

  /** Handles a reading of the device. */
  looked(now: number): void {
    this.#askedAt = -Infinity;
    if (this.#again) this.readStatus(now, false);
    this.#again = false;
  }

  wireguard(peers: readonly PeerChange[]): void {
    if (peers.length > 0) this.push({ kind: 'wireguard', peers });
  }

  /** `anew`: create the peer again, so that the first packet starts a handshake without a wait. */
  aim(peer: PeerConfig, endpoint: string, anew: boolean): void {
    const { publicKey } = peer;
    const set: PeerChange = { kind: 'set', peer: { ...peer, endpoint } };
    this.wireguard(anew ? [{ kind: 'remove', publicKey }, set] : [set]);
  }

  /** Points a peer to its endpoint. `moved`: it pointed elsewhere, where its session is. */
  turn(peer: PeerConfig, moved: boolean): void {
    if (moved) this.poke(peer, true);
    else this.wireguard([{ kind: 'set', peer }]);
  }

  /** Sends to the peer at once: turning on the keepalive sends one immediately. */
  poke(peer: PeerConfig, anew: boolean): void {
    const { persistentKeepalive: _on, ...quiet } = peer;
    const { publicKey } = peer;
    this.wireguard([
      anew ? { kind: 'remove', publicKey } : { kind: 'set', peer: quiet },
      { kind: 'set', peer: { ...peer, persistentKeepalive: keepaliveSeconds } },
    ]);
  }
}

/** Shorter than the timeout of NATs: at least 120 s by RFC 4787, in practice 30 s. */
export const keepaliveSeconds = 20;

/** Timeout of a reading. */
const givenUpMs = 5_000;
