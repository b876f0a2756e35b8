import { decodeJson, encodeJson } from '../../db/json.ts';
import type { Row, RowUpdate } from '../../db/schema.ts';
import type { Scoped, WithoutTenant } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';

/** A provider as the database holds it. */
export type ProviderRow = Row<'identity_providers'>;

/** The settings of a provider that no query asks for. */
export interface ProviderSettings {
  /** Text of the button. Null: the name. */
  readonly label: string | null;
  readonly scopes: readonly string[];
  readonly groupsClaim: string | null;
  readonly emailDomains: readonly string[];
  readonly hostedDomains: readonly string[];
  readonly entraTenants: readonly string[];
  readonly requiredGroup: string | null;
  readonly provisioning: boolean;
  readonly trustEmail: boolean;
  readonly requireAuthTime: boolean;
  readonly assuresSecondFactor: boolean;
}

/** A value of the groups claim, and a group that it puts people into. */
export interface GroupMapping {
  readonly value: string;
  readonly group: string;
}

/** Settings of a provider for which a request gives none. */
export const defaultSettings: ProviderSettings = {
  label: null,
  scopes: ['openid', 'email', 'profile'],
  groupsClaim: null,
  emailDomains: [],
  hostedDomains: [],
  entraTenants: [],
  requiredGroup: null,
  provisioning: false,
  trustEmail: false,
  requireAuthTime: true,
  assuresSecondFactor: false,
};

/** Returns the settings of a provider. */
export const settingsOf = ({ settings }: Pick<ProviderRow, 'settings'>): ProviderSettings => ({
  ...defaultSettings,
  ...decodeJson<Partial<ProviderSettings>>(settings),
});

/** Returns settings as the database holds them. */
export const encodeSettings = (settings: ProviderSettings): string => encodeJson(settings);

/** Returns the text of the button that begins a sign-in. */
export const labelOf = (row: ProviderRow): string => settingsOf(row).label ?? row.name;

/** Binds a sealed client secret to its provider. */
export const secretPurpose = (provider: string): string => `provider ${provider}`;

/** Returns the providers of a tenant in the order of their buttons. */
export const listProviders = (db: Scoped): Promise<ProviderRow[]> =>
  db.selectFrom('identity_providers').selectAll().orderBy('position').orderBy('name').execute();

/** Returns a provider; undefined when there is none with this id. */
export const findProvider = (db: Scoped, id: string): Promise<ProviderRow | undefined> =>
  db.selectFrom('identity_providers').selectAll().where('id', '=', id).executeTakeFirst();

/** Inserts a provider. */
export async function insertProvider(tx: Tx, row: WithoutTenant<'identity_providers'>): Promise<void> {
  await tx.scoped.insertInto('identity_providers', row).execute();
}

/** Sets columns of a provider. */
export async function updateProvider(tx: Tx, id: string, values: RowUpdate<'identity_providers'>): Promise<void> {
  await tx.scoped.updateTable('identity_providers').set(values).where('id', '=', id).execute();
}

/** Deletes a provider with its mapping, links and sessions. Memberships that it gave must be gone. */
export async function deleteProvider(tx: Tx, id: string): Promise<void> {
  await tx.scoped.deleteFrom('identity_providers').where('id', '=', id).execute();
}

/** Returns the mapping of a provider, in a fixed order. */
export async function mappingOf(db: Scoped, provider: string): Promise<GroupMapping[]> {
  const rows = await db
    .selectFrom('provider_groups')
    .select(['value', 'group_id'])
    .where('provider_id', '=', provider)
    .orderBy('value')
    .orderBy('group_id')
    .execute();
  return rows.map(({ value, group_id }) => ({ value, group: group_id }));
}

/** Makes the mapping of a provider exactly this. */
export async function replaceMapping(tx: Tx, provider: string, mapping: readonly GroupMapping[]): Promise<void> {
  await tx.scoped.deleteFrom('provider_groups').where('provider_id', '=', provider).execute();
  if (mapping.length === 0) return;
  const rows = mapping.map(({ value, group }) => ({ provider_id: provider, value, group_id: group }));
  await tx.scoped.insertInto('provider_groups', rows).execute();
}

/** Returns whether a provider puts people into a group. */
export async function isMapped(db: Scoped, group: string): Promise<boolean> {
  const row = await db.selectFrom('provider_groups').select('value').where('group_id', '=', group).executeTakeFirst();
  return row !== undefined;
}
