import { randomFillSync } from 'node:crypto';

/** Random bytes that were not given yet. A call of the generator costs far more than these bytes. */
const pool = new Uint8Array(1024);
let given = pool.length;

/** Returns up to 64 random bytes, as strong as those of `randomBytes`. No byte is given twice, and none stays in the pool. */
export function fewRandomBytes(count: number): Buffer {
  if (count > 64) throw new RangeError('few random bytes are 64 at most');
  if (given + count > pool.length) {
    randomFillSync(pool);
    given = 0;
  }
  const bytes = Buffer.alloc(count);
  bytes.set(pool.subarray(given, given + count));
  pool.fill(0, given, given + count);
  given += count;
  return bytes;
}
