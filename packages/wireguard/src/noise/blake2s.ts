/**
 * BLAKE2s (RFC 7693) with 1 to 32 bytes of output and an optional key of up to 32 bytes. WireGuard's MACs need both, and
 * `blake2s256` of node:crypto lacks them.
 */
export function blake2s(data: Uint8Array, length = 32, key?: Uint8Array): Uint8Array {
  const state = Uint32Array.from(IV);
  state[0] = at(state, 0) ^ 0x01010000 ^ ((key?.length ?? 0) << 8) ^ length;
  const block = new Uint8Array(BLOCK);
  let total = 0;
  if (key !== undefined && key.length > 0) {
    block.set(key);
    total = BLOCK;
    compress(state, block, total, data.length === 0);
    if (data.length === 0) return output(state, length);
  }
  for (let offset = 0; ; offset += BLOCK) {
    const part = data.subarray(offset, offset + BLOCK);
    block.fill(0).set(part);
    total += part.length;
    const last = offset + BLOCK >= data.length;
    compress(state, block, total, last);
    if (last) return output(state, length);
  }
}

const BLOCK = 64;

const IV = Uint32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);

/** Order in which each of the ten rounds takes the sixteen words of a block. */
const SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
].map((round) => Uint8Array.from(round));

/** `total`: bytes hashed so far, this block included; far below 2^32 here. */
function compress(state: Uint32Array, block: Uint8Array, total: number, last: boolean): void {
  const view = new DataView(block.buffer, block.byteOffset, BLOCK);
  const words = new Uint32Array(16);
  for (let i = 0; i < 16; i++) words[i] = view.getUint32(i * 4, true);
  const v = new Uint32Array(16);
  v.set(state);
  v.set(IV, 8);
  v[12] = at(v, 12) ^ total;
  if (last) v[14] = ~at(v, 14);
  for (const order of SIGMA) round(v, words, order);
  for (let i = 0; i < 8; i++) state[i] = at(state, i) ^ at(v, i) ^ at(v, i + 8);
}

/** Four columns, then four diagonals. */
function round(v: Uint32Array, words: Uint32Array, order: Uint8Array): void {
  for (let i = 0; i < 4; i++) {
    mix(v, i, i + 4, i + 8, i + 12, at(words, at(order, 2 * i)), at(words, at(order, 2 * i + 1)));
  }
  for (let i = 0; i < 4; i++) {
    const x = at(words, at(order, 8 + 2 * i));
    mix(v, i, 4 + ((i + 1) & 3), 8 + ((i + 2) & 3), 12 + ((i + 3) & 3), x, at(words, at(order, 9 + 2 * i)));
  }
}

function mix(v: Uint32Array, a: number, b: number, c: number, d: number, x: number, y: number): void {
  let va = (at(v, a) + at(v, b) + x) | 0;
  let vd = rotateRight(at(v, d) ^ va, 16);
  let vc = (at(v, c) + vd) | 0;
  let vb = rotateRight(at(v, b) ^ vc, 12);
  va = (va + vb + y) | 0;
  vd = rotateRight(vd ^ va, 8);
  vc = (vc + vd) | 0;
  vb = rotateRight(vb ^ vc, 7);
  v[a] = va;
  v[b] = vb;
  v[c] = vc;
  v[d] = vd;
}

function output(state: Uint32Array, length: number): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 8; i++) view.setUint32(i * 4, at(state, i), true);
  return bytes.slice(0, length);
}

const rotateRight = (word: number, bits: number): number => (word >>> bits) | (word << (32 - bits));
/** Every index in this file is within its array. */
const at = (words: Uint32Array | Uint8Array, index: number): number => words[index] as number;
