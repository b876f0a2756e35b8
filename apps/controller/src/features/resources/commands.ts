import { randomUUIDv7 } from 'node:crypto';
import type { Input } from '@sallyport/contract';
import { labelsColumn } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { invalidField, notFound } from '../../errors.ts';
import { FieldErrors } from '../../field-errors.ts';
import { type RequestContext, requireVersion } from '../../http/handlers.ts';
import type { GatewayQueries } from '../../objects/gateways/queries.ts';
import { cutFromPolicies } from '../../objects/policies/cut.ts';
import {
  deleteResource,
  findResource,
  insertResource,
  type ResourceParts,
  replaceGateways,
  updateResource,
  withParts,
} from '../../objects/resources/store.ts';
import { auditedResources, trackResources } from '../../objects/resources/tracking.ts';
import { settleNames, settleNamesOf } from '../../overlay/virtual.ts';
import { namesAmong, setAddresses } from './address-commands.ts';
import { checkAddresses, type GivenAddress } from './addresses.ts';

/** How attached gateways are looked up. */
export type GatewayLookup = Pick<GatewayQueries, 'nested'>;

/** Creates a resource with its addresses and returns its id. */
export async function createResource(tx: Tx, body: Input<'createResource'>['body']): Promise<string> {
  const errors = new FieldErrors();
  const addresses = await checked(tx, body.addresses, errors);
  const id = randomUUIDv7();
  await insertResource(tx, {
    id,
    created_at: tx.now,
    updated_at: tx.now,
    version: 1,
    name: body.name,
    type: body.type,
    description: body.description || null,
    load_balancing_mode: 'MANUAL',
    labels: labelsColumn(body.labels),
  });
  await setAddresses(tx, id, [], addresses);
  const after = (await auditedResources(tx, [id])).get(id) ?? null;
  tx.changed({ kind: 'resource', id, op: 'create', name: body.name, before: null, after });
  return id;
}

/** Writes name, description and addresses. Gateways and mode have an operation of their own. */
export async function changeResource(
  tx: Tx,
  context: RequestContext,
  id: string,
  body: Input<'updateResource'>['body'],
): Promise<void> {
  const present = await existing(tx, context, id);
  const errors = new FieldErrors();
  if (body.type !== undefined && body.type !== present.row.type)
    errors.add('/type', `cannot change after creation: it is ${present.row.type}`);
  const addresses = await checked(tx, body.addresses, errors);
  const description = body.description === undefined ? present.row.description : body.description || null;
  await trackResources(tx, [id], async () => {
    await updateResource(tx, id, {
      name: body.name,
      description,
      labels: labelsColumn(body.labels, present.row.labels),
    });
    await setAddresses(tx, id, present.addresses, addresses);
  });
}

/** Deletes a resource. Gateways and policies lose it. */
export async function removeResource(
  tx: Tx,
  context: RequestContext,
  gateways: GatewayLookup,
  id: string,
): Promise<void> {
  const present = await existing(tx, context, id);
  const before = (await auditedResources(tx, [id])).get(id) ?? null;
  tx.changed({ kind: 'resource', id, op: 'delete', name: present.row.name, before, after: null });
  await recordGateways(tx, gateways, present.gateways, 'detach');
  await cutFromPolicies(tx, 'resource', id);
  await deleteResource(tx, id);
  await settleNames(tx, namesAmong(present.addresses.map(({ address }) => address)));
}

/** Sets mode and gateways of a resource. A gateway that the list leaves out is detached. */
export async function balanceLoad(
  tx: Tx,
  context: RequestContext,
  gateways: GatewayLookup,
  id: string,
  body: Input<'saveLoadBalancing'>['body'],
): Promise<void> {
  const present = await existing(tx, context, id);
  const wanted = body.gateways.map((gateway) => gateway.toLowerCase());
  if (present.row.type === 'INTERNET' && wanted.length > 0)
    throw invalidField(
      '/gateways',
      'must be empty for a resource of type INTERNET: internet policies name the gateways',
    );
  await checkGateways(tx, gateways, wanted);
  await trackResources(tx, [id], async () => {
    await updateResource(tx, id, { load_balancing_mode: body.loadBalancingMode });
    await replaceGateways(tx, id, wanted);
    await settleNamesOf(tx, [id]);
  });
  await recordGateways(tx, gateways, without(wanted, present.gateways), 'attach');
  await recordGateways(tx, gateways, without(present.gateways, wanted), 'detach');
}

/** Takes one gateway out of a resource. Throws `not_found` when it is not attached. */
export async function detachGateway(
  tx: Tx,
  context: RequestContext,
  gateways: GatewayLookup,
  id: string,
  gateway: string,
): Promise<void> {
  const present = await existing(tx, context, id);
  if (!present.gateways.includes(gateway)) throw notFound();
  await trackResources(tx, [id], async () => {
    await replaceGateways(tx, id, without(present.gateways, [gateway]));
    await settleNamesOf(tx, [id]);
  });
  await recordGateways(tx, gateways, [gateway], 'detach');
}

async function existing(tx: Tx, context: RequestContext, id: string): Promise<ResourceParts> {
  const row = await findResource(tx.scoped, id);
  const [parts] = row === undefined ? [] : await withParts(tx.scoped, [row]);
  if (parts === undefined) throw notFound();
  requireVersion(context, parts.row.version);
  return parts;
}

async function checked(tx: Tx, given: readonly GivenAddress[], errors: FieldErrors): Promise<GivenAddress[]> {
  const pointers = given.map((_, i) => `/addresses/${i}`);
  const addresses = await checkAddresses(tx, given, pointers, errors);
  errors.check();
  return addresses;
}

async function checkGateways(tx: Tx, gateways: GatewayLookup, wanted: readonly string[]): Promise<void> {
  const known = await gateways.nested(tx.scoped, wanted);
  const errors = new FieldErrors();
  for (const [i, id] of wanted.entries()) {
    if (!known.has(id)) errors.add(`/gateways/${i}`, 'is not the id of a gateway', 'invalid_reference');
    else if (wanted.indexOf(id) !== i) errors.add(`/gateways/${i}`, 'is given twice', 'invalid_reference');
  }
  errors.check();
}

/** Records a change of each gateway, because a gateway shows its resources. */
async function recordGateways(
  tx: Tx,
  gateways: GatewayLookup,
  ids: readonly string[],
  action: 'attach' | 'detach',
): Promise<void> {
  for (const { id, name } of (await gateways.nested(tx.scoped, ids)).values())
    tx.changed({ kind: 'gateway', id, op: 'update', name, action });
}

const without = (ids: readonly string[], others: readonly string[]): string[] =>
  ids.filter((id) => !others.includes(id));
