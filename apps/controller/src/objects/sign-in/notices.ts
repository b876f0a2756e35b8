import type { SignInSettings } from '@sallyport/contract';
import type { Tx } from '../../db/store.ts';
import type { ActContext } from '../../http/handlers.ts';
import type { Mail } from '../../mail/types.ts';
import type { Notice } from '../mail/outbox.ts';
import { settingsRow, signInSettings } from './settings.ts';

/** Who did what a notice is about. */
export type Doer = Pick<ActContext, 'userAgent' | 'sourceIp'>;

/** Tells a person by mail about the own account, where the tenant wants such notices. */
export async function notifyUser(
  { mail }: { readonly mail: Mail },
  tx: Tx,
  user: string,
  notice: Notice,
  { userAgent, sourceIp }: Doer,
): Promise<void> {
  if (!mail.outbox.enabled || !(await wanted(tx)).includes(kindOf(notice))) return;
  await mail.outbox.notify(tx, user, notice, { userAgent, sourceIp });
}

/**
 * Tells a person by mail about a sign-in from a new place: an address and program that no open session of the person has.
 * To be called before the session begins. The first session of all is no news.
 */
export async function notifyOfSession(deps: { readonly mail: Mail }, tx: Tx, user: string, doer: Doer): Promise<void> {
  if (!deps.mail.outbox.enabled) return;
  const rows = await tx.scoped
    .selectFrom('sessions')
    .select(['source_ip', 'client'])
    .where('user_id', '=', user)
    .execute();
  const known = rows.some(({ source_ip, client }) => source_ip === doer.sourceIp && client === doer.userAgent);
  if (rows.length > 0 && !known) await notifyUser(deps, tx, user, 'SESSION', doer);
}

const kindOf = (notice: Notice): SignInSettings['notices'][number] => (notice === 'SESSION' ? 'SESSIONS' : 'METHODS');

const wanted = async (tx: Tx) => signInSettings(await settingsRow(tx.scoped)).notices;
