import type { Provider } from '@sallyport/contract';
import type { Scoped } from '../../db/scoped.ts';
import { findGroups } from '../groups/queries.ts';
import { mappingOf, type ProviderRow, settingsOf } from './store.ts';

/** The addresses of the controller that an administrator enters at a provider. Null: people cannot sign in here. */
export type ProviderUris = (provider: string) => Pick<Provider, 'redirectUri' | 'logoutUri'> | null;

/** Returns a provider in the form of answers: everything but the client secret. */
export async function providerView(db: Scoped, row: ProviderRow, uris: ProviderUris): Promise<Provider> {
  const { label, groupsClaim, requiredGroup, ...settings } = settingsOf(row);
  const mapping = await mappingOf(db, row.id);
  const groups = new Map(
    (await findGroups(db, [...new Set(mapping.map(({ group }) => group))])).map((one) => [one.id, one]),
  );
  return {
    id: row.id,
    createdAt: new Date(row.created_at).toISOString(),
    updatedAt: new Date(row.updated_at).toISOString(),
    name: row.name,
    issuer: row.issuer,
    clientId: row.client_id,
    hasClientSecret: row.client_secret !== null,
    ...(label === null ? {} : { label }),
    ...(groupsClaim === null ? {} : { groupsClaim }),
    ...(requiredGroup === null ? {} : { requiredGroup }),
    ...settings,
    scopes: [...settings.scopes],
    emailDomains: [...settings.emailDomains],
    hostedDomains: [...settings.hostedDomains],
    entraTenants: [...settings.entraTenants],
    groupMapping: mapping.map(({ value, group }) => ({
      value,
      group: { id: group, name: groups.get(group)?.name ?? '' },
    })),
    position: row.position,
    enabled: row.enabled === 1,
    ...uris(row.id),
  };
}

/** Returns a provider in the form of the audit trail. Of the secret it says only whether there is one. */
export async function auditedProvider(db: Scoped, row: ProviderRow) {
  return {
    id: row.id,
    name: row.name,
    issuer: row.issuer,
    clientId: row.client_id,
    hasClientSecret: row.client_secret !== null,
    ...settingsOf(row),
    groupMapping: await mappingOf(db, row.id),
    position: row.position,
    enabled: row.enabled === 1,
  };
}
