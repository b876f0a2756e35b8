import { selectIn } from '../../db/chunks.ts';
import type { Scoped } from '../../db/scoped.ts';
import type { MailRow } from './views.ts';

/** Returns the newest mails of the tenant, newest first. */
export const newestOfTenant = (db: Scoped, atMost: number): Promise<MailRow[]> =>
  db.selectFrom('mails').selectAll().orderBy('created_at', 'desc').orderBy('id', 'desc').limit(atMost).execute();

/** Returns the newest mail of a kind to each of the users, by user. Users without one are left out. */
export async function newestMails(
  db: Scoped,
  users: readonly string[],
  kind: MailRow['kind'],
): Promise<ReadonlyMap<string, MailRow>> {
  const rows = await selectIn(users, (part) =>
    db
      .selectFrom('mails')
      .selectAll()
      .where('user_id', 'in', part)
      .where('kind', '=', kind)
      .orderBy('created_at')
      .orderBy('id')
      .execute(),
  );
  return new Map(rows.map((row) => [row.user_id, row]));
}
