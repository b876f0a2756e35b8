import { chunks, selectIn } from '../../db/chunks.ts';
import type { Row, RowUpdate } from '../../db/schema.ts';
import type { Scoped, WithoutTenant } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';

/** A resource as the database holds it. */
export type ResourceRow = Row<'resources'>;

/** An address with the ids of its protocols. */
export interface AddressParts {
  readonly id: string;
  readonly resource: string;
  readonly position: number;
  /** Canonical. */
  readonly address: string;
  /** Protocol ids in order. */
  readonly protocols: readonly string[];
}

/** A resource with its addresses and gateways. */
export interface ResourceParts {
  readonly row: ResourceRow;
  readonly addresses: readonly AddressParts[];
  /** Attached gateways, highest priority first. */
  readonly gateways: readonly string[];
}

/** Returns a resource; undefined when there is none with this id. */
export const findResource = (db: Scoped, id: string): Promise<ResourceRow | undefined> =>
  db.selectFrom('resources').selectAll().where('id', '=', id).executeTakeFirst();

/** Rows in no particular order; unknown ids are left out. */
export const findResources = (db: Scoped, ids: readonly string[]): Promise<ResourceRow[]> =>
  selectIn(ids, (part) => db.selectFrom('resources').selectAll().where('id', 'in', part).execute());

/** Completes rows, in their order, with a fixed number of queries. */
export async function withParts(db: Scoped, rows: readonly ResourceRow[]): Promise<ResourceParts[]> {
  const ids = rows.map(({ id }) => id);
  const addresses = Map.groupBy(await addressesOf(db, ids), ({ resource }) => resource);
  const gateways = Map.groupBy(await attachments(db, ids), ({ resource_id }) => resource_id);
  return rows.map((row) => ({
    row,
    addresses: addresses.get(row.id) ?? [],
    gateways: (gateways.get(row.id) ?? []).map(({ gateway_id }) => gateway_id),
  }));
}

/** Addresses of resources in order. */
export async function addressesOf(db: Scoped, resources: readonly string[]): Promise<AddressParts[]> {
  const rows = await selectIn(resources, (part) =>
    addressQuery(db).where('addresses.resource_id', 'in', part).execute(),
  );
  const protocols = await selectIn(resources, (part) =>
    protocolQuery(db).where('addresses.resource_id', 'in', part).execute(),
  );
  return joinProtocols(rows, protocols);
}

/** Returns every address of the tenant. */
export async function allAddresses(db: Scoped): Promise<AddressParts[]> {
  return joinProtocols(await addressQuery(db).execute(), await protocolQuery(db).execute());
}

/** Returns an address; undefined when there is none with this id. */
export async function findAddress(db: Scoped, id: string): Promise<AddressParts | undefined> {
  const rows = await addressQuery(db).where('addresses.id', '=', id).execute();
  return joinProtocols(rows, await protocolQuery(db).where('addresses.id', '=', id).execute())[0];
}

/** Inserts a resource without addresses. */
export async function insertResource(tx: Tx, row: WithoutTenant<'resources'>): Promise<void> {
  await tx.scoped.insertInto('resources', row).execute();
}

/** Sets columns of a resource. */
export async function updateResource(tx: Tx, id: string, values: RowUpdate<'resources'>): Promise<void> {
  await tx.scoped.updateTable('resources').set(values).where('id', '=', id).execute();
}

/** Deletes a resource together with its addresses and attachments. */
export async function deleteResource(tx: Tx, id: string): Promise<void> {
  await tx.scoped.deleteFrom('resources').where('id', '=', id).execute();
}

/** Increments the versions of resources. */
export async function bumpResources(tx: Tx, ids: readonly string[]): Promise<void> {
  for (const part of chunks(ids))
    await tx.scoped
      .updateTable('resources')
      .set((eb) => ({ version: eb('version', '+', 1), updated_at: tx.now }))
      .where('id', 'in', part)
      .execute();
}

/** Inserts addresses with their protocols. */
export async function insertAddresses(tx: Tx, addresses: readonly AddressParts[]): Promise<void> {
  const rows = addresses.map(({ id, resource, position, address }) => ({
    id,
    resource_id: resource,
    position,
    address,
  }));
  for (const part of chunks(rows)) await tx.scoped.insertInto('addresses', part).execute();
  await insertAddressProtocols(tx, addresses);
}

/** Sets columns of an address. */
export async function updateAddressRow(tx: Tx, id: string, values: RowUpdate<'addresses'>): Promise<void> {
  await tx.scoped.updateTable('addresses').set(values).where('id', '=', id).execute();
}

/** Deletes addresses. */
export async function deleteAddresses(tx: Tx, ids: readonly string[]): Promise<void> {
  for (const part of chunks(ids)) await tx.scoped.deleteFrom('addresses').where('id', 'in', part).execute();
}

/** Replaces the protocols of addresses. */
export async function replaceAddressProtocols(tx: Tx, addresses: readonly AddressParts[]): Promise<void> {
  const ids = addresses.map(({ id }) => id);
  for (const part of chunks(ids))
    await tx.scoped.deleteFrom('address_protocols').where('address_id', 'in', part).execute();
  await insertAddressProtocols(tx, addresses);
}

/** Attaches exactly these gateways, highest priority first. */
export async function replaceGateways(tx: Tx, resource: string, gateways: readonly string[]): Promise<void> {
  await tx.scoped.deleteFrom('resource_gateways').where('resource_id', '=', resource).execute();
  const rows = gateways.map((gateway_id, position) => ({ resource_id: resource, gateway_id, position }));
  for (const part of chunks(rows)) await tx.scoped.insertInto('resource_gateways', part).execute();
}

const addressQuery = (db: Scoped) =>
  db
    .selectFrom('addresses')
    .select(['addresses.id', 'addresses.resource_id', 'addresses.position', 'addresses.address'])
    .orderBy('addresses.resource_id')
    .orderBy('addresses.position')
    .orderBy('addresses.id');

const protocolQuery = (db: Scoped) =>
  db
    .selectFrom('address_protocols')
    .innerJoin('addresses', 'addresses.id', 'address_protocols.address_id')
    .select(['address_protocols.address_id', 'address_protocols.protocol_id'])
    .orderBy('address_protocols.position');

const attachments = (db: Scoped, resources: readonly string[]) =>
  selectIn(resources, (part) =>
    db
      .selectFrom('resource_gateways')
      .select(['resource_id', 'gateway_id'])
      .where('resource_id', 'in', part)
      .orderBy('position')
      .execute(),
  );

function joinProtocols(
  rows: readonly { id: string; resource_id: string; position: number; address: string }[],
  protocols: readonly { address_id: string; protocol_id: string }[],
): AddressParts[] {
  const byAddress = Map.groupBy(protocols, ({ address_id }) => address_id);
  return rows.map(({ id, resource_id, position, address }) => ({
    id,
    resource: resource_id,
    position,
    address,
    protocols: (byAddress.get(id) ?? []).map(({ protocol_id }) => protocol_id),
  }));
}

async function insertAddressProtocols(tx: Tx, addresses: readonly AddressParts[]): Promise<void> {
  const rows = addresses.flatMap(({ id, protocols }) =>
    protocols.map((protocol_id, position) => ({ address_id: id, protocol_id, position })),
  );
  for (const part of chunks(rows)) await tx.scoped.insertInto('address_protocols', part).execute();
}
