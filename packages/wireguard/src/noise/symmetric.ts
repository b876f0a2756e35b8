import { open, seal } from './aead.ts';
import { hash, kdf1, kdf2, kdf3 } from './hash.ts';

/** Chaining key and hash of a handshake (WireGuard paper, section 5.4). Each step updates them. */
export class SymmetricState {
  chainingKey: Uint8Array;
  hash: Uint8Array;

  constructor(chainingKey: Uint8Array, hashed: Uint8Array) {
    this.chainingKey = chainingKey;
    this.hash = hashed;
  }

  /** Returns the initial state of every handshake with this responder. */
  static towards(responder: Uint8Array): SymmetricState {
    const construction = hash(Buffer.from('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s'));
    const identified = hash(construction, Buffer.from('WireGuard v1 zx2c4 Jason@zx2c4.com'));
    return new SymmetricState(construction, hash(identified, responder));
  }

  copy(): SymmetricState {
    return new SymmetricState(this.chainingKey, this.hash);
  }

  mixHash(data: Uint8Array): void {
    this.hash = hash(this.hash, data);
  }

  mixEphemeral(publicKey: Uint8Array): void {
    this.mixSecret(publicKey);
    this.mixHash(publicKey);
  }

  mixSecret(material: Uint8Array): void {
    this.chainingKey = kdf1(this.chainingKey, material);
  }

  /** Mixes in a secret and seals a text with the resulting key. */
  sealAfter(secret: Uint8Array, plain: Uint8Array): Uint8Array {
    const [chainingKey, key] = kdf2(this.chainingKey, secret);
    this.chainingKey = chainingKey;
    return this.#seal(key, plain);
  }

  /** Opens the output of `sealAfter`. Returns null if it does not decrypt. */
  openAfter(secret: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    const [chainingKey, key] = kdf2(this.chainingKey, secret);
    this.chainingKey = chainingKey;
    return this.#open(key, sealed);
  }

  /** Mixes in the preshared key and seals an empty text, which proves that both sides share all secrets. */
  sealNothing(presharedKey: Uint8Array): Uint8Array {
    return this.#seal(this.#mixPresharedKey(presharedKey), NOTHING);
  }

  /** Returns whether the output of `sealNothing` of the other side matches. */
  opensNothing(presharedKey: Uint8Array, sealed: Uint8Array): boolean {
    return this.#open(this.#mixPresharedKey(presharedKey), sealed) !== null;
  }

  /** Returns the two transport keys: initiator to responder, and back (section 5.4.5). */
  split(): [Uint8Array, Uint8Array] {
    return kdf2(this.chainingKey, NOTHING);
  }

  #mixPresharedKey(presharedKey: Uint8Array): Uint8Array {
    const [chainingKey, mixed, key] = kdf3(this.chainingKey, presharedKey);
    this.chainingKey = chainingKey;
    this.mixHash(mixed);
    return key;
  }

  #seal(key: Uint8Array, plain: Uint8Array): Uint8Array {
    const sealed = seal(key, 0n, plain, this.hash);
    this.mixHash(sealed);
    return sealed;
  }

  #open(key: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    const plain = open(key, 0n, sealed, this.hash);
    this.mixHash(sealed);
    return plain;
  }
}

const NOTHING = new Uint8Array(0);
