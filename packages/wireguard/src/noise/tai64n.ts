/** Length of a TAI64N label in bytes. Labels are big-endian, so `Buffer.compare` orders them. */
export const TIMESTAMP_BYTES = 12;

/**
 * Returns the TAI64N label of a time in milliseconds since 1970 (WireGuard paper, section 5.4.2): 2^62 + 10 + seconds, then
 * nanoseconds, both big-endian. The paper only needs it to increase, so leap seconds are ignored.
 */
export function tai64n(epochMs: number): Uint8Array {
  const seconds = Math.floor(epochMs / 1000);
  const label = Buffer.alloc(TIMESTAMP_BYTES);
  label.writeBigUInt64BE(EPOCH + BigInt(seconds));
  label.writeUInt32BE(Math.floor((epochMs - seconds * 1000) * 1e6), 8);
  return label;
}

const EPOCH = (1n << 62n) + 10n;
