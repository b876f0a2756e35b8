import type { Input } from '@sallyport/contract';
import { scoped } from '../../db/scoped.ts';
import { ApiError } from '../../errors.ts';
import type { ActAnswer, ActContext } from '../../http/handlers.ts';
import { requirePlace, type SignInDeps } from '../../objects/sign-in/deps.ts';
import { notifyOfSession } from '../../objects/sign-in/notices.ts';
import { beginSession, liveSession } from '../../objects/sign-in/sessions.ts';
import { settingsRow, signInSettings } from '../../objects/sign-in/settings.ts';
import { findUser } from '../../objects/users/queries.ts';
import { noteSignIn, writtenBy } from './person.ts';

/**
 * Begins a session of a command line that a person allowed. The session counts from when the person proved a factor, so a
 * chain of command lines makes no sign-in fresh again and outlives no limit.
 */
export async function signInCli(
  deps: SignInDeps,
  context: ActContext,
  { code, verifier, port }: Input<'signInCli'>['body'],
): Promise<ActAnswer<'signInCli'>> {
  requirePlace(deps);
  const { tenant, user: id, session, host } = await deps.cliCodes.spend(code, verifier, port);
  const user = await findUser(scoped(deps.store.db, tenant), id);
  if (user === undefined) throw ended();
  const begun = await deps.store.write(writtenBy(context, user, 'signInCli'), async (tx) => {
    const from = await liveSession(tx, session);
    if (from === undefined || (await findUser(tx.scoped, id))?.status !== 'ACTIVE') throw ended();
    await notifyOfSession(deps, tx, id, { userAgent: `sally on ${host}`, sourceIp: context.sourceIp });
    const { absoluteHours } = signInSettings(await settingsRow(tx.scoped));
    const started = await beginSession(tx, {
      ...{ user: id, method: from.method, userAgent: `sally on ${host}`, sourceIp: context.sourceIp },
      ...{ lifeMs: absoluteHours * 3600_000, provenAt: from.created_at, grant: from.grant_id },
    });
    noteSignIn(tx, user, { method: from.method, session: started.id, commandLine: host });
    return started;
  });
  return { body: { token: begun.token, expiresAt: new Date(begun.expiresAt).toISOString() } };
}

const ended = () => new ApiError('sign_in_failed', 'The session that allowed this has ended: begin again');
