import type { Me, Session } from '@sallyport/contract';
import type { Tx, WriteContext } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import type { ActContext, NewSession } from '../../http/handlers.ts';
import type { SignInDeps } from '../../objects/sign-in/deps.ts';
import { meView } from '../../objects/sign-in/me.ts';
import { notifyOfSession } from '../../objects/sign-in/notices.ts';
import { beginSession, endSession, freshMs } from '../../objects/sign-in/sessions.ts';
import { settingsRow, signInSettings } from '../../objects/sign-in/settings.ts';
import { findUser, type UserRow, updateUser } from '../../objects/users/queries.ts';

/** How somebody who has proven who they are gets in. */
export interface Entry {
  readonly user: UserRow;
  readonly method: Session['method'];
  /** Done in the same transaction: what the proof changes, such as the counter of a passkey. Throws to refuse. */
  readonly within: (tx: Tx) => Promise<void>;
  /** For a sign-in through a provider: what the session gets. Called after `within`. */
  readonly from?: (tx: Tx) => Promise<FromProvider>;
}

/** What a sign-in through a provider gives to its session. */
export interface FromProvider {
  /** What the session ends with. */
  readonly grant: string;
  /** When the person proved a factor, epoch milliseconds. */
  readonly provenAt: number;
  /** Maximum duration of the session, milliseconds. */
  readonly mostMs: number;
}

/** The answer to somebody who got in. */
export interface Entered {
  readonly body: Me;
  readonly session: NewSession;
}

/** What it takes to let somebody in. */
export type EntryDeps = Pick<SignInDeps, 'store' | 'mail'>;

/** Begins a session in one transaction with what the proof changes. A session that the browser had ends. */
export async function enter(deps: EntryDeps, context: ActContext, entry: Entry): Promise<Entered> {
  const { store } = deps;
  const { user, method } = entry;
  const by = writtenBy(context, user, 'signIn');
  const session = await store.write(by, async (tx) => {
    await entry.within(tx);
    const from = await entry.from?.(tx);
    const row = await findUser(tx.scoped, user.id);
    // Only links bring somebody in who is not active, and they make the person active first.
    if (row?.status !== 'ACTIVE') throw new ApiError('sign_in_failed', refusedText);
    const { absoluteHours } = signInSettings(await settingsRow(tx.scoped));
    if (method !== 'LINK') await notifyOfSession(deps, tx, user.id, context);
    if (context.caller?.session && context.caller.tenant === tx.tenant) await endSession(tx, context.caller.session.id);
    await updateUser(tx, user.id, { last_connection: tx.now });
    const { sourceIp, userAgent } = context;
    const lifeMs = Math.min(absoluteHours * 3600_000, from?.mostMs ?? Number.POSITIVE_INFINITY);
    const begun = await beginSession(tx, { user: user.id, method, userAgent, sourceIp, lifeMs, ...from });
    noteSignIn(tx, user, { method, session: begun.id });
    return { ...begun, freshUntil: (from?.provenAt ?? tx.now) + freshMs };
  });
  const facts = { id: session.id, expiresAt: session.expiresAt, freshUntil: session.freshUntil };
  const body = await meView(store, user.tenant_id, user.id, facts);
  return { body, session: { token: session.token, maxAgeSeconds: session.maxAgeSeconds } };
}

/** Records a sign-in, or the first failed one of a while, for people only: nothing that agents follow has changed. */
export function noteSignIn(tx: Tx, user: UserRow, what: object): void {
  tx.changed({
    kind: 'user',
    id: user.id,
    op: 'update',
    name: user.email,
    before: null,
    after: { name: user.email, ...what },
    auditOnly: true,
  });
}

/** One text for everything that can be wrong: it must not tell whether an account exists. */
export const refusedText =
  'The address, the password or the short name of the tenant is wrong, or the account cannot sign in';

/** Write context of a person who is not a caller yet. */
export const writtenBy = ({ sourceIp, requestId }: ActContext, user: UserRow, action: string): WriteContext => ({
  tenant: user.tenant_id,
  actor: { kind: 'user', id: user.id, name: user.email },
  action,
  sourceIp,
  requestId,
});
