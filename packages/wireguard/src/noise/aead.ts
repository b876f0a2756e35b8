import { createCipheriv, createDecipheriv } from 'node:crypto';

/** Number of bytes that sealing adds. */
export const TAG_BYTES = 16;

/** AEAD of the WireGuard paper, section 5.4: ChaCha20-Poly1305 (RFC 8439) with a 64-bit counter, little-endian, as nonce. */
export function seal(key: Uint8Array, counter: bigint, plain: Uint8Array, additional: Uint8Array): Uint8Array {
  return sealWith(key, nonceOf(counter), plain, additional);
}

/** Returns the plain text, or null if the message, its counter or the additional data was changed. */
export function open(key: Uint8Array, counter: bigint, sealed: Uint8Array, additional: Uint8Array): Uint8Array | null {
  return openWith(key, nonceOf(counter), sealed, additional);
}

/** XAEAD of the same section: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03, section 2.3) with a nonce of 24 bytes. */
export function xSeal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, additional: Uint8Array): Uint8Array {
  return sealWith(hChaCha20(key, nonce.subarray(0, 16)), xTail(nonce), plain, additional);
}

/** Returns the plain text, or null if anything was changed. */
export function xOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  additional: Uint8Array,
): Uint8Array | null {
  return openWith(hChaCha20(key, nonce.subarray(0, 16)), xTail(nonce), sealed, additional);
}

/** HChaCha20 (section 2.2 of the same draft): derives a key of 32 bytes from a key and 16 bytes of nonce. */
export function hChaCha20(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  const input = Buffer.concat([Buffer.from('expand 32-byte k'), key, nonce]);
  const state = Uint32Array.from({ length: 16 }, (_, i) => input.readUInt32LE(i * 4));
  for (let i = 0; i < 10; i++) {
    for (const [a, b, c, d] of QUARTERS) quarterRound(state, a, b, c, d);
  }
  const output = Buffer.alloc(32);
  for (const [i, word] of [0, 1, 2, 3, 12, 13, 14, 15].entries()) output.writeUInt32LE(state[word] ?? 0, i * 4);
  return output;
}

function sealWith(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, additional: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(additional, { plaintextLength: plain.length });
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function openWith(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, additional: Uint8Array): Uint8Array | null {
  const length = sealed.length - TAG_BYTES;
  if (length < 0) return null;
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(additional, { plaintextLength: length });
  decipher.setAuthTag(sealed.subarray(length));
  const plain = decipher.update(sealed.subarray(0, length));
  try {
    decipher.final();
    return plain;
  } catch {
    return null;
  }
}

function nonceOf(counter: bigint): Uint8Array {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64LE(counter, 4);
  return nonce;
}

function xTail(nonce: Uint8Array): Uint8Array {
  return Buffer.concat([new Uint8Array(4), nonce.subarray(16, 24)]);
}

/** Columns, then diagonals (RFC 8439 section 2.3). */
const QUARTERS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;

function quarterRound(state: Uint32Array, a: number, b: number, c: number, d: number): void {
  for (const [first, second] of [
    [16, 12],
    [8, 7],
  ] as const) {
    state[a] = word(state, a) + word(state, b);
    state[d] = rotateLeft(word(state, d) ^ word(state, a), first);
    state[c] = word(state, c) + word(state, d);
    state[b] = rotateLeft(word(state, b) ^ word(state, c), second);
  }
}

const rotateLeft = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));
const word = (state: Uint32Array, index: number): number => state[index] as number;
