import { REJECT_AFTER_MS, type Session } from './session.ts';

/** State of a peer. Its sessions follow the WireGuard paper, section 6.1. */
export interface PeerState {
  readonly peer: string;
  /** Newest accepted TAI64N timestamp. */
  timestamp: Uint8Array;
  /** Time of its acceptance. */
  acceptedAt: number;
  previous: Session | null;
  /** Session for sending. */
  current: Session | null;
  /** Session of our response that no message of the peer has confirmed yet. */
  next: Session | null;
}

/** Peers with a handshake, and their sessions by index. At most three sessions per peer and `maxPeers` peers. */
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

  /** Returns an unused session index, starting the search at 32 random bits. */
  freeIndex(random: number): number {
    let index = random;
    while (this.#sessions.has(index)) index = (index + 1) >>> 0;
    return index;
  }

  /** Adds the session of an answered handshake. It replaces the unconfirmed session and the previous one. */
  addNext(session: Session, timestamp: Uint8Array, now: number): void {
    const { peer } = session.keys;
    const known = this.#peers.get(peer);
    const state = known ?? { peer, timestamp, acceptedAt: now, previous: null, current: null, next: null };
    this.#drop(state.next);
    this.#drop(state.previous);
    Object.assign(state, { timestamp, acceptedAt: now, previous: null, next: session });
    this.#sessions.set(session.keys.localIndex, { session, state });
    // Moved to the end, so that the first peer has the oldest handshake.
    this.#peers.delete(peer);
    this.#peers.set(peer, state);
    const [oldest] = this.#peers.keys();
    if (this.#peers.size > this.#maxPeers && oldest !== undefined) this.forget(oldest);
  }

  /** Notes that the peer used this session. Returns true if that confirms the session. */
  confirm(session: Session, state: PeerState): boolean {
    if (state.next !== session) return false;
    // `addNext` has dropped the previous session.
    state.previous = state.current;
    state.current = session;
    state.next = null;
    return true;
  }

  /** Drops expired sessions of the peers with the oldest handshakes, two peers per call. */
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
