/** A value as a message carries it: text, bytes, or null. */
export type SentValue = string | Buffer | null;

/**
 * Returns the message that gives a statement its values: `Bind` of the protocol, version 3.0. `statement`: the name under
 * which the server keeps it, in ASCII; empty for the one that was just parsed. The driver makes the same message in twice
 * the time, because it does not make room for all values at once.
 */
export function bindMessage(statement: string, values: readonly SentValue[]): Buffer {
  // The server refuses more values than it can count.
  const count = values.length & 0xffff;
  const message = Buffer.allocUnsafe(mostBytes(statement, values));
  let at = message.write('B\0\0\0\0\0', 0, 'latin1');
  at += message.write(`${statement}\0`, at, 'latin1');
  at = message.writeUInt16BE(count, at);
  for (const value of values) at = message.writeUInt16BE(value instanceof Buffer ? 1 : 0, at);
  at = message.writeUInt16BE(count, at);
  for (const value of values) {
    const length = value === null ? -1 : writeValue(message, value, at + 4);
    message.writeInt32BE(length, at);
    at += 4 + Math.max(0, length);
  }
  // All columns of the answer come as text.
  at = message.writeUInt16BE(1, at);
  at = message.writeUInt16BE(0, at);
  message.writeInt32BE(at - 1, 1);
  return message.subarray(0, at);
}

/** A unit of a string takes three bytes of UTF-8 at most. */
function mostBytes(statement: string, values: readonly SentValue[]): number {
  let bytes = 15 + statement.length;
  for (const value of values) bytes += 6 + (typeof value === 'string' ? 3 * value.length : (value?.length ?? 0));
  return bytes;
}

const writeValue = (message: Buffer, value: string | Buffer, at: number): number =>
  typeof value === 'string' ? message.write(value, at, 'utf8') : value.copy(message, at);
