import { createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto';
import type { Succession } from '@sallyport/contract/channel';

/** An Ed25519 key of the controller. `sign` signs the UTF-8 bytes of a text; everything is base64 of the raw bytes. */
export interface ControllerKey {
  readonly publicKey: string;
  readonly sign: (text: string) => string;
}

/** The keys by which agents know the controller. They change while it runs. */
export interface ControllerIdentity {
  readonly key: ControllerKey;
  /** The replaced key, for agents that cannot follow to a new one. Null: it is gone, or none was replaced. */
  readonly earlier: ControllerKey | null;
  /** Leads agents from keys of before to `key`. */
  readonly successions: readonly Succession[];
}

/** Returns the identity of a controller that never replaces its key. */
export const constantIdentity = (key: ControllerKey): ControllerIdentity => ({ key, earlier: null, successions: [] });

/** Returns the key with which the controller meets an agent that speaks this protocol. */
export const keyFor = ({ key, earlier }: ControllerIdentity, protocol: number): ControllerKey =>
  protocol < followsSuccessions ? (earlier ?? key) : key;

/** Returns the part of a challenge that leads an agent to the controller's key. */
export const successionsFor = (
  { successions }: ControllerIdentity,
  protocol: number,
): { successions?: Succession[] } =>
  protocol < followsSuccessions || successions.length === 0 ? {} : { successions: [...successions] };

/** First protocol whose agents follow to another key. */
export const followsSuccessions = 4;

/** Returns whether an Ed25519 signature over the text is valid. Returns false for malformed input; never throws. */
export function verifyText(publicKey: string, text: string, signature: string): boolean {
  try {
    const bytes = Buffer.from(signature, 'base64');
    return bytes.length === 64 && verify(null, Buffer.from(text), ed25519(publicKey), bytes);
  } catch {
    return false;
  }
}

/**
 * Returns the canonical base64 text of a 32-byte key, or null. Spare bits and missing padding give the same bytes
 * several texts.
 */
export function canonicalKey(text: string): string | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === 32 && bytes.some((byte) => byte !== 0) ? bytes.toString('base64') : null;
}

/** Compares keys as bytes and in constant time. */
export function sameKey(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a, 'base64'), Buffer.from(b, 'base64')];
  return left.length === right.length && timingSafeEqual(left, right);
}

function ed25519(raw: string): KeyObject {
  const bytes = Buffer.from(raw, 'base64');
  if (bytes.length !== 32) throw new RangeError('an Ed25519 key has 32 bytes');
  // Node.js reads a public key in PEM twice as fast as one in DER or JWK.
  const body = Buffer.concat([spkiPrefix, bytes]).toString('base64');
  return createPublicKey(`-----BEGIN PUBLIC KEY-----\n${body}\n-----END PUBLIC KEY-----`);
}

/** SPKI prefix of an Ed25519 key (RFC 8410 section 4). The key bytes follow it. */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');
