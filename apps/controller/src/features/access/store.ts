import { selectIn } from '../../db/chunks.ts';
import type { Scoped } from '../../db/scoped.ts';

/** Names of objects by id. */
export type Names = ReadonlyMap<string, string>;

/** Returns the names of policies by id. Unknown ids are left out. */
export const policyNames = (db: Scoped, ids: Iterable<string>): Promise<Names> =>
  names(ids, (part) => db.selectFrom('policies').select(['id', 'name']).where('id', 'in', part).execute());

/** Returns the names of resources by id. Unknown ids are left out. */
export const resourceNames = (db: Scoped, ids: Iterable<string>): Promise<Names> =>
  names(ids, (part) => db.selectFrom('resources').select(['id', 'name']).where('id', 'in', part).execute());

async function names(
  ids: Iterable<string>,
  select: (part: readonly string[]) => Promise<readonly { id: string; name: string }[]>,
): Promise<Names> {
  const rows = await selectIn([...new Set(ids)], select);
  return new Map(rows.map(({ id, name }) => [id, name]));
}
