import type { User } from '@sallyport/contract';
import type { ExpressionBuilder } from 'kysely';
import type { Database, Row } from '../../db/schema.ts';

/** How long an invitation is good, milliseconds. */
export const invitationMs = 7 * 24 * 3600 * 1000;

/** The status as shown: an invitation ends by time alone, so its end is worked out and never stored. */
export function statusOf(row: Pick<Row<'users'>, 'status' | 'invited_at'>, now: number): User['status'] {
  return row.status === 'INVITED' && row.invited_at <= lastInvitation(now) ? 'EXPIRED' : row.status;
}

/** Invitations of this moment and before have ended. */
const lastInvitation = (now: number): number => now - invitationMs;

/** The status as shown, in SQL. */
export const statusIn = (eb: ExpressionBuilder<Database, 'users'>, now: number) =>
  eb
    .case()
    .when(eb('users.status', '=', 'INVITED').and('users.invited_at', '<=', lastInvitation(now)))
    .then('EXPIRED')
    .else(eb.ref('users.status'))
    .end();
