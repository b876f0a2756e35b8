/**
 * Curve25519 public key in base64 as X25519 makes it: 32 bytes, 44 characters, the two spare bits and the top bit of the
 * number zero.
 */
export const wireguardKeyForm = /^[A-Za-z0-9+/]{41}[A-HQ-Xg-nw-z0-3][AEIMQUYcgkosw048]=$/;

/**
 * Returns whether a text is the public key of some private key. Rejects points of low order, including zero, because they
 * give a known shared secret (RFC 7748 section 6.1). Rejects non-canonical encodings of a key.
 */
export function isWireguardKey(text: string): boolean {
  if (!wireguardKeyForm.test(text)) return false;
  const value = BigInt(`0x${Buffer.from(text, 'base64').reverse().toString('hex')}`);
  return value < prime && !lowOrder.has(value);
}

const prime = 2n ** 255n - 19n;
/** The points of order 1, 2, 4 and 8 on the curve and its twist, by their u-coordinate. */
const lowOrder: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  prime - 1n,
  0x00b8495f16056286fdb1329ceb8d09da6ac49ff1fae35616aeb8413b7c7aebe0n,
  0x57119fd0dd4e22d8868e1c58c45c44045bef839c55b1d0b1248c50a3bc959c5fn,
]);
