import { type Kysely, sql } from 'kysely';
import type { Database } from './schema.ts';

/** Time between checks. A database without a write from one check to the next is idle. */
const lookMs = 1_000;

/**
 * Moves the write-ahead log into the database file whenever writes pause. SQLite by itself does so only when the log
 * is long, and until then a plain copy of the file alone is old. Returns a function that ends it.
 */
export function checkpointWhenIdle(db: Kysely<Database>, failed: (error: unknown) => void): () => Promise<void> {
  let seen = 0;
  let moved = 0;
  let working: Promise<void> | null = null;
  const look = async (): Promise<void> => {
    const now = await changesSoFar(db);
    if (now === seen && now !== moved) {
      // A failure, for example a full disk, is reported once and not every second.
      moved = now;
      await db.connection().execute((connection) => sql`PRAGMA wal_checkpoint(PASSIVE)`.execute(connection));
    }
    seen = now;
  };
  const timer = setInterval(() => {
    working ??= look()
      .catch(failed)
      .finally(() => {
        working = null;
      });
  }, lookMs);
  return async () => {
    clearInterval(timer);
    await working;
  };
}

/** Returns the number of rows written since the database was opened. */
async function changesSoFar(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ n: number }>`SELECT total_changes() AS n`.execute(db);
  return rows[0]?.n ?? 0;
}
