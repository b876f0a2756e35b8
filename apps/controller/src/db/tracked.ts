import { encodeJson } from './json.ts';
import type { Change, ObjectKind, Tx } from './store.ts';

/** An object as the audit trail keeps it. */
export interface Audited {
  readonly id: string;
  readonly name: string;
}

/** Compares objects of one kind before and after a write. */
export interface Tracking {
  readonly kind: ObjectKind;
  /** Loads the objects with their related data, by id. */
  load(tx: Tx, ids: readonly string[]): Promise<ReadonlyMap<string, Audited>>;
  /** Increments their versions. */
  bump(tx: Tx, ids: readonly string[]): Promise<void>;
}

/**
 * Runs `work` and records each of the objects that it changed: next version, audit event, change feed. An unchanged
 * object keeps its version, and nothing is recorded for a deleted one.
 */
export async function tracked(
  tx: Tx,
  { kind, load, bump }: Tracking,
  ids: readonly string[],
  work: () => Promise<void>,
  action?: Change['action'],
): Promise<void> {
  const old = await load(tx, ids);
  await work();
  const now = await load(tx, ids);
  const different = ids.flatMap((id) => {
    const [before = null, after] = [old.get(id), now.get(id)];
    return after === undefined || encodeJson(before) === encodeJson(after) ? [] : [{ id, before, after }];
  });
  await bump(
    tx,
    different.map(({ id }) => id),
  );
  for (const { id, before, after } of different) {
    const change = { kind, id, op: 'update', name: after.name, before, after } as const;
    tx.changed(action === undefined ? change : { ...change, action });
  }
}
