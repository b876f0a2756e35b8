import type { User } from '@sallyport/contract';
import type { ExpressionBuilder } from 'kysely';
import type { Database, Row } from '../../db/schema.ts';

/** Lifetime of an invitation, milliseconds. */
export const invitationMs = 7 * 24 * 3600 * 1000;

/** Returns the status as shown. An invitation expires on its own, so EXPIRED is computed and never stored. */
export function statusOf(row: Pick<Row<'users'>, 'status' | 'invited_at'>, now: number): User['status'] {
  return row.status === 'INVITED' && row.invited_at <= lastInvitation(now) ? 'EXPIRED' : row.status;
}

/** Returns when the invitation of a user ends, epoch milliseconds. */
export const invitationEnd = ({ invited_at }: Pick<Row<'users'>, 'invited_at'>): number => invited_at + invitationMs;

/** Invitations of this moment and before have ended. */
const lastInvitation = (now: number): number => now - invitationMs;

/** Returns the status as shown, as an SQL expression. */
export const statusIn = (eb: ExpressionBuilder<Database, 'users'>, now: number) =>
  eb
    .case()
    .when(eb('users.status', '=', 'INVITED').and('users.invited_at', '<=', lastInvitation(now)))
    .then('EXPIRED')
    .else(eb.ref('users.status'))
    .end();
