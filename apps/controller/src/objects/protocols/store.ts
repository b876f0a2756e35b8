import { selectIn } from '../../db/chunks.ts';
import type { Row } from '../../db/schema.ts';
import type { Scoped, WithoutTenant } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';

/** A protocol as the database holds it. */
export type ProtocolRow = Row<'protocols'>;

/** Returns a protocol; undefined when there is none with this id. */
export const findProtocol = (db: Scoped, id: string): Promise<ProtocolRow | undefined> =>
  db.selectFrom('protocols').selectAll().where('id', '=', id).executeTakeFirst();

/** Returns protocols in no particular order. Unknown ids are left out. */
export const findProtocols = (db: Scoped, ids: readonly string[]): Promise<ProtocolRow[]> =>
  selectIn(ids, (part) => db.selectFrom('protocols').selectAll().where('id', 'in', part).execute());

/** Returns every protocol, built-in ones first. */
export const listProtocols = (db: Scoped): Promise<ProtocolRow[]> =>
  db
    .selectFrom('protocols')
    .selectAll()
    .orderBy((eb) => eb('type', '=', 'CUSTOM'))
    .orderBy('created_at')
    .orderBy('id')
    .execute();

/** Inserts a protocol. */
export async function insertProtocol(tx: Tx, row: WithoutTenant<'protocols'>): Promise<void> {
  await tx.scoped.insertInto('protocols', row).execute();
}

/** Removes the protocol from the addresses that use it, then deletes it. */
export async function deleteProtocol(tx: Tx, id: string): Promise<void> {
  await tx.scoped.deleteFrom('address_protocols').where('protocol_id', '=', id).execute();
  await tx.scoped.deleteFrom('protocols').where('id', '=', id).execute();
}

/** Returns the ids of the resources with an address that uses the protocol, oldest first. */
export async function resourcesUsing(db: Scoped, protocol: string): Promise<string[]> {
  const rows = await db
    .selectFrom('address_protocols')
    .innerJoin('addresses', 'addresses.id', 'address_protocols.address_id')
    .innerJoin('resources', 'resources.id', 'addresses.resource_id')
    .select(['resources.id', 'resources.created_at'])
    .distinct()
    .where('address_protocols.protocol_id', '=', protocol)
    .orderBy('resources.created_at')
    .orderBy('resources.id')
    .execute();
  return rows.map(({ id }) => id);
}
