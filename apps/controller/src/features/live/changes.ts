import type { Right } from '@sallyport/contract';
import { readLog } from '../../db/change-log.ts';
import { scoped } from '../../db/scoped.ts';
import type { LoggedChange, LoggedRevision, ObjectKind, Store } from '../../db/store.ts';

/** Right that sees objects of a kind. */
const rightOfKind: Readonly<Record<ObjectKind, Right>> = {
  tenant: 'read',
  'api-key': 'own',
  gateway: 'read',
  device: 'read',
  'enrolment-key': 'read',
  relay: 'read',
  protocol: 'read',
  resource: 'read',
  policy: 'read',
  'admission-rule': 'read',
  user: 'read',
  group: 'read',
  role: 'read',
  provider: 'read',
};

/** Kinds whose changes can take a right from a caller. */
const rightsKinds: ReadonlySet<ObjectKind> = new Set(['tenant', 'api-key', 'user', 'group', 'role']);

/** Returns whether a change can take a right from a caller. */
export const touchesRights = ({ kind }: LoggedChange): boolean => rightsKinds.has(kind);

/** Maximum number of objects in a message, and of revisions that one is made from. Clients read everything again beyond. */
export const mostChanges = 1000;

/** Changes of a tenant between two revisions, each object once. */
export interface MergedChanges {
  /** The newer revision. */
  readonly to: number;
  /** Null: there are too many, or the log does not go back that far. */
  readonly changes: readonly LoggedChange[] | null;
}

/** Returns the changes of a tenant after a revision that a caller with these rights may see. */
export async function changesAfter(
  store: Store,
  tenant: string,
  after: number,
  rights: readonly Right[],
): Promise<MergedChanges> {
  const head = store.log.head(tenant);
  const revisions = store.log.recent(tenant, after) ?? (await readPart(store, tenant, after, head));
  if (revisions === null) return { to: Math.max(head, store.log.head(tenant)), changes: null };
  const merged = mergeChanges(revisions, rights);
  return { to: revisions.at(-1)?.revision ?? after, changes: merged.length > mostChanges ? null : merged };
}

async function readPart(store: Store, tenant: string, after: number, head: number) {
  if (head - after > mostChanges) return null;
  return (await store.read((db) => readLog(scoped(db, tenant), after, mostChanges))).revisions;
}

/** Merges changes of the same object. An object that was created and changed since was created. */
export function mergeChanges(revisions: readonly LoggedRevision[], rights: readonly Right[]): LoggedChange[] {
  const byObject = new Map<string, LoggedChange>();
  for (const { changes } of revisions)
    for (const change of changes) {
      if (!rights.includes(rightOfKind[change.kind])) continue;
      const key = `${change.kind}/${change.id}`;
      const created = byObject.get(key)?.op === 'create' && change.op !== 'delete';
      byObject.set(key, created ? { ...change, op: 'create' } : change);
    }
  return [...byObject.values()];
}
