import { isIpText } from '@sallyport/contract';
import type { Row, RowUpdate } from '../../db/schema.ts';
import type { Scoped, WithoutTenant } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';

/** A gateway as the database holds it. */
export type GatewayRow = Row<'gateways'>;

/** A resource that a gateway carries. */
export type AttachedResource = { readonly id: string; readonly name: string };

/** Returns a gateway; undefined when there is none with this id. */
export const findGateway = (db: Scoped, id: string): Promise<GatewayRow | undefined> =>
  db.selectFrom('gateways').selectAll().where('id', '=', id).executeTakeFirst();

/** Returns every gateway, oldest first. */
export const listGateways = (db: Scoped): Promise<GatewayRow[]> =>
  db.selectFrom('gateways').selectAll().orderBy('created_at').orderBy('id').execute();

/** Returns gateways in no particular order. Unknown ids are left out. */
export const findGateways = (db: Scoped, ids: readonly string[]): Promise<GatewayRow[]> =>
  db.selectFrom('gateways').selectAll().where('id', 'in', ids).execute();

/** Returns the resources of gateways by gateway id; of all gateways when `ids` is left out. */
export async function attachedResources(db: Scoped, ids?: readonly string[]): Promise<Map<string, AttachedResource[]>> {
  const all = db
    .selectFrom('resource_gateways')
    .innerJoin('resources', 'resources.id', 'resource_gateways.resource_id')
    .select(['resource_gateways.gateway_id', 'resources.id', 'resources.name'])
    .orderBy('resources.created_at')
    .orderBy('resources.id');
  const rows = await (ids === undefined ? all : all.where('resource_gateways.gateway_id', 'in', ids)).execute();
  const byGateway = new Map<string, AttachedResource[]>();
  for (const { gateway_id, id, name } of rows) {
    const list = byGateway.get(gateway_id);
    if (list === undefined) byGateway.set(gateway_id, [{ id, name }]);
    else list.push({ id, name });
  }
  return byGateway;
}

/** Returns the host names of attached resources, by the ids of their addresses. Those of the probes are the same. */
export async function attachedNames(db: Scoped, gateway: string): Promise<Map<string, string>> {
  const rows = await db
    .selectFrom('resource_gateways')
    .innerJoin('addresses', 'addresses.resource_id', 'resource_gateways.resource_id')
    .select(['addresses.id', 'addresses.address'])
    .where('resource_gateways.gateway_id', '=', gateway)
    .execute();
  return new Map(rows.flatMap(({ id, address }) => (isIpText(address) ? [] : [[id, address] as const])));
}

/** Inserts a gateway. */
export const insertGateway = (tx: Tx, row: Required<WithoutTenant<'gateways'>>): Promise<void> =>
  tx.scoped.insert('gateways', row);

/** Sets columns of a gateway. */
export async function updateGateway(tx: Tx, id: string, values: RowUpdate<'gateways'>): Promise<void> {
  await tx.scoped.updateTable('gateways').set(values).where('id', '=', id).execute();
}

/** Detaches the gateway from every resource. */
export async function detachEverywhere(tx: Tx, id: string): Promise<void> {
  await tx.scoped.deleteFrom('resource_gateways').where('gateway_id', '=', id).execute();
}

/** Deletes a gateway that no other object names any more. The tombstone tells its agent to undo everything. */
export async function deleteGateway(tx: Tx, id: string): Promise<void> {
  await tx.scoped.deleteFrom('gateways').where('id', '=', id).execute();
  await tx.scoped.insertInto('deleted_gateways', { id, deleted_at: tx.now }).execute();
}
