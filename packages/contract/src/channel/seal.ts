import { createCipheriv, createDecipheriv, createHash, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { type Transcript, transcriptText } from './messages.ts';
import { proofText, sameProof } from './possession.ts';
import { privateKeyObject, publicText, sharedSecret } from './x25519.ts';

/**
 * Seals the agent channel inside of its WebSocket: X25519 (RFC 7748) between one-time keys, HKDF-SHA256 (RFC 5869) over
 * the transcript of the handshake, AES-256-GCM. A party that carries the frames can only end the connection.
 */

/** One end of a sealed channel. A frame is ciphertext and tag. Both sides count frames instead of sending numbers. */
export interface SealedChannel {
  /** Returns the next outgoing frame. */
  seal(text: string): Uint8Array;
  /** Returns the text of the next incoming frame. Returns null for a wrong frame and for all frames after it. */
  open(frame: Uint8Array): string | null;
}

/** One-time key of one side. */
export interface KeyExchange {
  /** X25519 public key, raw, base64. */
  readonly publicKey: string;
  /** Returns the channel of this transcript, or null for a bad peer key. Works once. */
  agree(peerKey: string, transcript: Transcript): SealedChannel | null;
  /**
   * Returns whether the proof shows that the agent holds the private half of a WireGuard key. The controller calls it
   * after `agree`. Works once, because it erases the secret, even without a proof.
   */
  proves(wireguardPublicKey: string, proof: string | undefined, transcript: Transcript): boolean;
}

/** Side of a sealed channel. */
export type Side = 'agent' | 'controller';

/** Creates a one-time key from 32 random bytes. Use the bytes for nothing else. They are copied. */
export function keyExchange(side: Side, randomBytes: Uint8Array): KeyExchange {
  let secret: KeyObject | null = privateKeyObject(randomBytes);
  let agreed = false;
  const forget = (): void => {
    secret = null;
  };
  return {
    publicKey: publicText(secret),
    agree(peerKey, transcript) {
      const shared = secret === null || agreed ? null : sharedSecret(secret, peerKey);
      agreed = true;
      // The controller keeps the secret for the check of the agent's WireGuard key.
      if (side === 'agent' || shared === null) forget();
      if (shared === null) return null;
      const channel = sealedChannel(side, shared, transcript);
      shared.fill(0);
      return channel;
    },
    proves(wireguardPublicKey, proof, transcript) {
      const shared = secret === null || proof === undefined ? null : sharedSecret(secret, wireguardPublicKey);
      forget();
      return (
        shared !== null && proof !== undefined && sameProof(proofText(shared, wireguardPublicKey, transcript), proof)
      );
    },
  };
}

const tagBytes = 16;

function sealedChannel(side: Side, shared: Buffer, transcript: Transcript): SealedChannel {
  const salt = createHash('sha256').update(transcriptText('keys', transcript)).digest();
  const key = (from: Side): KeyObject => {
    const bytes = Buffer.from(hkdfSync('sha256', shared, salt, `sallyport-channel ${from}`, 32));
    const object = createSecretKey(bytes);
    bytes.fill(0);
    return object;
  };
  return new Sealed(key(side), key(side === 'agent' ? 'controller' : 'agent'));
}

class Sealed implements SealedChannel {
  readonly #out: KeyObject;
  readonly #into: KeyObject;
  #sealed = 0;
  #opened = 0;
  #broken = false;

  constructor(out: KeyObject, into: KeyObject) {
    this.#out = out;
    this.#into = into;
  }

  seal(text: string): Uint8Array {
    return seal(this.#out, this.#sealed++, text);
  }

  open(frame: Uint8Array): string | null {
    const text = this.#broken ? null : open(this.#into, this.#opened++, frame);
    this.#broken = text === null;
    return text;
  }
}

/** Returns the nonce of a frame. Each key serves one direction of one connection, so its counter never repeats. */
function nonce(count: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64BE(BigInt(count), 4);
  return bytes;
}

function seal(key: KeyObject, count: number, text: string): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', key, nonce(count), { authTagLength: tagBytes });
  return Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

function open(key: KeyObject, count: number, frame: Uint8Array): string | null {
  if (frame.length < tagBytes) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce(count), { authTagLength: tagBytes });
  decipher.setAuthTag(frame.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(frame.subarray(0, -tagBytes)), decipher.final()]).toString('utf8');
  } catch {
    return null;
  }
}
