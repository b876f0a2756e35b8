import { type RawBuilder, sql } from 'kysely';
import { perDialect } from './per-dialect.ts';

// What lists show of a row that no column of its table holds as it is shown.

/** Kind of a device: NATIVE or PLAIN. */
export const deviceKind = sql<string>`case when devices.identity_key is null then 'PLAIN' else 'NATIVE' end`;

/** Version of a device's app; empty when it is not known. */
export const deviceAppVersion = textOf('devices.app_version');

/** Id of a device's owner; empty without an owner. */
export const deviceOwnerId = textOf('devices.user_id');

/** Id of a plain device's entry gateway; empty without one. */
export const deviceEntryGateway = textOf('devices.entry_gateway_id');

/** A column of a device's owner; empty without an owner. */
export function deviceOwner(column: 'email_key' | 'first_name' | 'last_name'): RawBuilder<string> {
  const owner = sql`select ${sql.ref(`users.${column}`)} from users
    where users.tenant_id = devices.tenant_id and users.id = devices.user_id`;
  return sql<string>`coalesce((${owner}), '')`;
}

/** Labels of an object, with a space between them. */
export const shownLabels = (table: 'devices' | 'resources'): RawBuilder<string> =>
  sql<string>`trim(replace(${sql.ref(`${table}.labels`)}, '","', ' '), '[]"')`;

/** Addresses of a resource, with a space between them. */
export const resourceAddresses = sql<string>`(select ${perDialect(
  sql`group_concat(addresses.address, ' ')`,
  sql`string_agg(addresses.address, ' ')`,
)} from addresses
  where addresses.tenant_id = resources.tenant_id and addresses.resource_id = resources.id)`;

function textOf(column: string): RawBuilder<string> {
  return sql<string>`coalesce(${sql.ref(column)}, '')`;
}
