import { bySystem } from '../../db/contexts.ts';
import type { Tx } from '../../db/store.ts';
import { clockToleranceSeconds } from '../providers/clients.ts';
import { type Logout, logoutSeconds, readLogout } from '../providers/dialogue.ts';
import { ProviderFailure } from '../providers/failure.ts';
import { endGrants } from '../providers/grants.ts';
import { type ProviderRow, providerAnywhere } from '../providers/queries.ts';
import type { SignInDeps } from './deps.ts';
import { findIdentity } from './provider-identity.ts';

/** How long a used logout token is remembered, milliseconds: longer than it is accepted. */
const rememberedMs = (logoutSeconds + 2 * clockToleranceSeconds) * 1000;

/**
 * Ends the sessions that a logout token of a provider names (OpenID Connect Back-Channel Logout 1.0). Returns why it is
 * refused, or null.
 */
export async function logoutByProvider(
  deps: Pick<SignInDeps, 'store' | 'providers'>,
  provider: string,
  token: string,
): Promise<string | null> {
  const row = await providerAnywhere(deps.store, provider);
  if (row === undefined || row.enabled !== 1) return 'There is no such provider';
  try {
    const logout = await readLogout(deps.providers, row, token);
    const by = bySystem(row.tenant_id, 'log out at provider');
    return await deps.store.write(by, (tx) => endSessions(tx, row, logout));
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    return error.message;
  }
}

async function endSessions(tx: Tx, row: ProviderRow, logout: Logout): Promise<string | null> {
  const spent = await tx.scoped
    .insertInto('provider_logouts', {
      provider_id: row.id,
      token_hash: logout.tokenHash,
      expires_at: tx.now + rememberedMs,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow();
  if (spent.numInsertedOrUpdatedRows === 0n) return 'The logout token was used already';
  const grants = await grantsOf(tx, row, logout);
  await endGrants(
    tx,
    grants.map(({ id }) => id),
  );
  if (grants.length > 0)
    tx.changed({
      ...{ kind: 'provider', id: row.id, op: 'update', name: row.name, before: null, auditOnly: true },
      after: { name: row.name, signIns: 'ended', number: grants.length },
    });
  return null;
}

/** Sign-ins that began before the token was made. A session of the provider goes before the person. */
async function grantsOf(tx: Tx, row: ProviderRow, { subject, sid, issuedAt }: Logout): Promise<{ id: string }[]> {
  const all = tx.scoped
    .selectFrom('provider_grants')
    .select('id')
    .where('provider_id', '=', row.id)
    .where('created_at', '<=', issuedAt + clockToleranceSeconds * 1000);
  if (sid !== null) {
    const ofSession = await all.where('sid', '=', sid).execute();
    if (ofSession.length > 0 || subject === null) return ofSession;
  }
  const method = await findIdentity(tx.scoped, row.id, subject ?? '');
  if (method === undefined) return [];
  const ofPerson = all.where('method_id', '=', method.id);
  return (sid === null ? ofPerson : ofPerson.where('sid', 'is', null)).execute();
}
