import type { IssuedLink } from '@sallyport/contract';
import type { Tx } from '../../db/store.ts';
import type { RequestContext } from '../../http/handlers.ts';
import type { UserRow } from '../users/queries.ts';
import { requirePlace, type SignInDeps } from './deps.ts';
import { issueLink, linkUrl } from './links.ts';
import { signInPlace } from './place.ts';

/** Makes a link for a user. The caller hands it over, and the controller mails it where it sends mail. */
export async function handOver(
  deps: Pick<SignInDeps, 'signInUrl' | 'mail'>,
  tx: Tx,
  { caller }: RequestContext,
  user: UserRow,
  purpose: 'INVITATION' | 'PASSWORD',
): Promise<IssuedLink> {
  const { url } = requirePlace(deps);
  const { id, secret, expiresAt } = await issueLink(tx, purpose, user.id, caller.actor.name);
  const kind = purpose === 'PASSWORD' ? 'RESET' : purpose;
  const refused = await deps.mail.outbox.post(tx, user.id, { kind, secret }, id);
  noteUser(tx, user, { link: purpose, ...(refused === null ? { mailed: true } : {}) });
  const expires = { url: linkUrl(url, secret), expiresAt: new Date(expiresAt).toISOString() };
  if (refused === null) return { ...expires, mailedTo: user.email };
  return refused === 'OFF' ? expires : { ...expires, notMailed: tooManyText };
}

/**
 * Mails a new invitation link to each of the users, where the controller sends mail and people can sign in. Elsewhere it
 * makes no link, so that a link which was handed over stays good.
 */
export async function mailInvitations(
  { mail, signInUrl }: Pick<SignInDeps, 'signInUrl' | 'mail'>,
  tx: Tx,
  { caller }: RequestContext,
  users: readonly string[],
): Promise<void> {
  if (!mail.outbox.enabled || 'reason' in signInPlace(signInUrl())) return;
  for (const user of users) {
    const { id, secret } = await issueLink(tx, 'INVITATION', user, caller.actor.name);
    await mail.outbox.post(tx, user, { kind: 'INVITATION', secret }, id);
  }
}

const tooManyText = 'Too many mails went to this person within the last hour, or too many wait to be sent';

/** Records what happened to the sign-in of a user, for people only: nothing that agents follow has changed. */
export function noteUser(tx: Tx, { id, email }: Pick<UserRow, 'id' | 'email'>, what: object): void {
  const after = { name: email, ...what };
  tx.changed({ kind: 'user', id, op: 'update', name: email, before: null, after, auditOnly: true });
}
