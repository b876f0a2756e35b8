import { randomInt, randomUUIDv7 } from 'node:crypto';
import type { Row } from '../../db/schema.ts';
import type { Scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import type { SecretBox } from '../../secrets/box.ts';

/** What a sign-in through a provider goes on with, as the database holds it. Its sessions end with it. */
export type GrantRow = Row<'provider_grants'>;

/** How often a provider is asked again, milliseconds. */
export const checkMs = 15 * 60_000;
/** How long sessions last after the provider last confirmed the sign-in, milliseconds. */
export const unconfirmedMs = 8 * 3600_000;

/** Binds a sealed refresh token to its grant. */
export const refreshTokenPurpose = (grant: string): string => `refresh token ${grant}`;

/** Returns when to ask next. Moments are spread, so that the sign-ins of a morning do not come back together. */
export const nextCheck = (now: number): number => now + randomInt(checkMs * 0.8, checkMs);

/** Stores what a sign-in goes on with. Returns its id. */
export async function beginGrant(
  tx: Tx,
  box: Pick<SecretBox, 'seal'>,
  given: Pick<GrantRow, 'provider_id' | 'method_id' | 'sid'> & { readonly refreshToken: string | null },
): Promise<string> {
  const { refreshToken, ...row } = given;
  const id = randomUUIDv7();
  await tx.scoped
    .insertInto('provider_grants', {
      id,
      ...row,
      refresh_token: refreshToken === null ? null : box.seal(refreshToken, refreshTokenPurpose(id)),
      created_at: tx.now,
      checked_at: tx.now,
      next_check_at: refreshToken === null ? null : nextCheck(tx.now),
    })
    .execute();
  return id;
}

/** Returns a grant; undefined when it has ended. */
export const findGrant = (db: Scoped, id: string): Promise<GrantRow | undefined> =>
  db.selectFrom('provider_grants').selectAll().where('id', '=', id).executeTakeFirst();

/** Returns the refresh token of a grant; null when it has none. */
export const refreshTokenOf = (box: Pick<SecretBox, 'open'>, { id, refresh_token }: GrantRow): string | null =>
  refresh_token === null ? null : box.open(refresh_token, refreshTokenPurpose(id));

/** Notes that the provider confirmed a grant. It may have replaced the refresh token. */
export async function keepGrant(
  tx: Tx,
  box: Pick<SecretBox, 'seal'>,
  id: string,
  refreshToken: string | null,
): Promise<void> {
  await tx.scoped
    .updateTable('provider_grants')
    .set({
      refresh_token: refreshToken === null ? null : box.seal(refreshToken, refreshTokenPurpose(id)),
      checked_at: tx.now,
      next_check_at: refreshToken === null ? null : nextCheck(tx.now),
    })
    .where('id', '=', id)
    .execute();
}

/** Ends grants with their sessions. */
export async function endGrants(tx: Tx, ids: readonly string[]): Promise<void> {
  for (const id of ids) await tx.scoped.deleteFrom('provider_grants').where('id', '=', id).execute();
}

/** Ends every sign-in through a provider. */
export async function endGrantsOf(tx: Tx, provider: string): Promise<void> {
  await tx.scoped.deleteFrom('provider_grants').where('provider_id', '=', provider).execute();
}
