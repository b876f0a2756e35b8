/** Bytes of a TAI64N label. They order as big-endian numbers, so `Buffer.compare` tells the later. */
export const TIMESTAMP_BYTES = 12;

/**
 * TAI64N label of a moment in milliseconds since 1970 (WireGuard paper, section 5.4.2): 2^62 + 10 + seconds, then
 * nanoseconds, both big-endian. The paper wants it to grow, not to be right, so leap seconds are left out as elsewhere.
 */
export function tai64n(epochMs: number): Uint8Array {
  const seconds = Math.floor(epochMs / 1000);
  const label = Buffer.alloc(TIMESTAMP_BYTES);
  label.writeBigUInt64BE(EPOCH + BigInt(seconds));
  label.writeUInt32BE(Math.floor((epochMs - seconds * 1000) * 1e6), 8);
  return label;
}

const EPOCH = (1n << 62n) + 10n;
