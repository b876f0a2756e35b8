import type { DatabaseSync } from 'node:sqlite';

/** Row of `meta` that marks a database as a copy and says when it was made. */
export const copyMarker = 'copied_at';

/** Marks a copy of the database, so that a controller that starts with it begins a new epoch. One file afterwards. */
export function markAsCopy(copy: DatabaseSync, madeAt: string): void {
  // The copy is not on disk for good before it has left this machine, so nothing waits for the disk here.
  copy.exec('PRAGMA synchronous = OFF');
  copy.exec('PRAGMA locking_mode = EXCLUSIVE');
  copy.exec('PRAGMA journal_mode = DELETE');
  copy.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)').run(copyMarker, madeAt);
}
