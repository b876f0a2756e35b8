import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type Initiator, Responder, type ResponderOptions, type Session, tai64n } from '../noise/index.ts';
import type { Authenticated, Ignored, KnownPeer, Reply } from '../noise/types.ts';
import { privateKeyFor } from './keys.ts';

/** Returns pseudo-random bytes that are the same in every run. */
export function seededRandom(seed: string): (bytes: number) => Uint8Array {
  let calls = 0;
  return (bytes) => {
    calls += 1;
    return createHash('shake256', { outputLength: bytes }).update(`${seed} ${calls}`).digest();
  };
}

/** Initiators and one responder on a clock that only the test advances. */
export interface Stage {
  readonly responder: Responder;
  readonly random: (bytes: number) => Uint8Array;
  /** Milliseconds. */
  now: number;
  /** Peers that may connect, by public key. Absent: any peer. */
  known: ReadonlyMap<string, KnownPeer> | null;
  underLoad: boolean;
  handle(datagram: Uint8Array, source?: string): Authenticated | Reply | Ignored;
  /** Returns an initiation one second later than the last one. */
  initiation(initiator: Initiator): Uint8Array;
  /** Runs a handshake and returns the initiator's session, which the responder has not confirmed yet. */
  shake(initiator: Initiator, source?: string): Session;
}

export const SOURCE = '192.0.2.7:4242';

export function stage(options: Partial<ResponderOptions> = {}): Stage {
  const random = seededRandom('stage');
  const responder = new Responder({ privateKey: privateKeyFor('responder'), random, ...options });
  const self: Stage = {
    responder,
    random,
    now: 1_000_000,
    known: null,
    underLoad: false,
    handle: (datagram, source = SOURCE) => {
      const lookup = (key: string) => (self.known === null ? {} : (self.known.get(key) ?? null));
      return responder.handle(datagram, source, self.now, lookup, self.underLoad);
    },
    initiation(initiator) {
      self.now += 1000;
      const senderIndex = Buffer.from(random(4)).readUInt32LE();
      return initiator.initiate({ ephemeral: random(32), senderIndex, timestamp: tai64n(self.now), now: self.now });
    },
    shake(initiator, source = SOURCE) {
      const reply = self.handle(self.initiation(initiator), source);
      assert.ok(reply.kind === 'reply', JSON.stringify(reply));
      const answer = initiator.receive(reply.datagram, self.now);
      assert.ok(answer.kind === 'session', JSON.stringify(answer));
      return answer.session;
    },
  };
  return self;
}

/** Returns a keepalive of a live session. */
export function keepaliveOf(session: Session, now: number): Uint8Array {
  return session.keepalive(now) ?? assert.fail('the session is over');
}

/** Returns the kind of a result as one word. */
export function wordOf(result: { readonly kind: string; readonly reason?: string }): string {
  return result.reason ?? result.kind;
}
