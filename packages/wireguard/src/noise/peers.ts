import { REJECT_AFTER_MS, type Session } from './session.ts';

/** What is remembered of a peer, its sessions as in the WireGuard paper, section 6.1. */
export interface PeerState {
  readonly peer: string;
  /** Newest TAI64N timestamp that was accepted. */
  timestamp: Uint8Array;
  /** When that was. */
  acceptedAt: number;
  previous: Session | null;
  /** What is sent with. */
  current: Session | null;
  /** Made by our response, not yet confirmed by a message of the peer. */
  next: Session | null;
}

/** Peers with a handshake, and their sessions by index; three sessions per peer and `maxPeers` peers at most. */
export class PeerTable {
  readonly #maxPeers: number;
  readonly #peers = new Map<string, PeerState>();
  readonly #sessions = new Map<number, { readonly session: Session; readonly state: PeerState }>();

  constructor(maxPeers: number) {
    this.#maxPeers = maxPeers;
  }

  get(peer: string): PeerState | undefined {
    return this.#peers.get(peer);
  }

  find(localIndex: number): { readonly session: Session; readonly state: PeerState } | undefined {
    return this.#sessions.get(localIndex);
  }

  /** An index no session has, from 32 random bits on. */
  freeIndex(random: number): number {
    let index = random;
    while (this.#sessions.has(index)) index = (index + 1) >>> 0;
    return index;
  }

  /** A handshake was answered. What waited unconfirmed gives way, and so does the session before the current one. */
  addNext(session: Session, timestamp: Uint8Array, now: number): void {
    const { peer } = session.keys;
    const known = this.#peers.get(peer);
    const state = known ?? { peer, timestamp, acceptedAt: now, previous: null, current: null, next: null };
    this.#drop(state.next);
    this.#drop(state.previous);
    Object.assign(state, { timestamp, acceptedAt: now, previous: null, next: session });
    this.#sessions.set(session.keys.localIndex, { session, state });
    // Last again, so that the first is the one whose handshake is oldest.
    this.#peers.delete(peer);
    this.#peers.set(peer, state);
    const [oldest] = this.#peers.keys();
    if (this.#peers.size > this.#maxPeers && oldest !== undefined) this.forget(oldest);
  }

  /** The peer used this session; true when that confirms it. */
  confirm(session: Session, state: PeerState): boolean {
    if (state.next !== session) return false;
    // `addNext` has dropped the one before.
    state.previous = state.current;
    state.current = session;
    state.next = null;
    return true;
  }

  /** Drops sessions that are too old to be used, of those peers whose handshakes are oldest: two a call. */
  sweep(now: number): void {
    let looked = 0;
    for (const [index, { session, state }] of this.#sessions) {
      if (looked++ === 2 || now - session.keys.createdAt < REJECT_AFTER_MS) return;
      this.#sessions.delete(index);
      if (state.previous === session) state.previous = null;
      if (state.current === session) state.current = null;
      if (state.next === session) state.next = null;
    }
  }

  forget(peer: string): void {
    const state = this.#peers.get(peer);
    if (state === undefined) return;
    this.#drop(state.previous);
    this.#drop(state.current);
    this.#drop(state.next);
    this.#peers.delete(peer);
  }

  #drop(session: Session | null): void {
    if (session !== null) this.#sessions.delete(session.keys.localIndex);
  }
}
