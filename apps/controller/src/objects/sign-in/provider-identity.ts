import { encodeJson } from '../../db/json.ts';
import type { Scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import type { ProviderPerson } from '../providers/claims.ts';
import type { ProviderRow } from '../providers/queries.ts';
import { dataOf, type MethodRow, putMethod, useMethod } from './methods.ts';

/** Credential id of a person at a provider. A subject is unique within its provider (OpenID Connect Core, 2). */
const credentialOf = (provider: string, subject: string): string => `${provider} ${subject}`;

/** Returns the sign-in method that an account at a provider is linked as. */
export const findIdentity = (db: Scoped, provider: string, subject: string): Promise<MethodRow | undefined> =>
  db
    .selectFrom('sign_in_methods')
    .selectAll()
    .where('credential_id', '=', credentialOf(provider, subject))
    .executeTakeFirst();

/** Links an account at a provider to a user. */
export const putIdentity = (tx: Tx, row: ProviderRow, user: string, person: ProviderPerson): Promise<MethodRow> => {
  const data = { subject: person.subject, email: person.email, groups: person.groups };
  return putMethod(tx, user, 'PROVIDER', row.name, data, credentialOf(row.id, person.subject), row.id);
};

/** Notes that an account at a provider was used, and what the provider said. What it left out stays. */
export const noteIdentity = (tx: Tx, method: MethodRow, person: ProviderPerson): Promise<void> =>
  useMethod(tx, method, 'PROVIDER', dataAfter(method, person));

/** Notes what the provider said about an account that nobody uses now. */
export async function noteClaims(tx: Tx, method: MethodRow, person: ProviderPerson): Promise<void> {
  const data = encodeJson(dataAfter(method, person));
  await tx.scoped.updateTable('sign_in_methods').set({ data }).where('id', '=', method.id).execute();
}

function dataAfter(method: MethodRow, { email, groups }: ProviderPerson) {
  const known = dataOf(method, 'PROVIDER');
  return { ...known, email: email ?? known.email, groups: groups ?? known.groups };
}
