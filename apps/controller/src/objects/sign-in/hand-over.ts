import type { IssuedLink } from '@sallyport/contract';
import type { Tx } from '../../db/store.ts';
import type { RequestContext } from '../../http/handlers.ts';
import type { UserRow } from '../users/queries.ts';
import { requirePlace, type SignInDeps } from './deps.ts';
import { issueLink, linkUrl } from './links.ts';

/** Makes a link for a user, which the caller hands over. Records it in the audit trail. */
export async function handOver(
  deps: Pick<SignInDeps, 'signInUrl'>,
  tx: Tx,
  { caller }: RequestContext,
  user: UserRow,
  purpose: 'INVITATION' | 'PASSWORD',
): Promise<IssuedLink> {
  const { url } = requirePlace(deps);
  const { secret, expiresAt } = await issueLink(tx, purpose, user.id, caller.actor.name);
  noteUser(tx, user, { link: purpose });
  return { url: linkUrl(url, secret), expiresAt: new Date(expiresAt).toISOString() };
}

/** Records what happened to the sign-in of a user, for people only: nothing that agents follow has changed. */
export function noteUser(tx: Tx, { id, email }: Pick<UserRow, 'id' | 'email'>, what: object): void {
  const after = { name: email, ...what };
  tx.changed({ kind: 'user', id, op: 'update', name: email, before: null, after, auditOnly: true });
}
