import { randomUUIDv7 } from 'node:crypto';
import { type Input, isIpText } from '@sallyport/contract';
import type { Tx } from '../../db/store.ts';
import { notFound } from '../../errors.ts';
import { FieldErrors } from '../../field-errors.ts';
import {
  type AddressParts,
  addressesOf,
  deleteAddresses,
  findAddress,
  insertAddresses,
  replaceAddressProtocols,
  updateAddressRow,
} from '../../objects/resources/store.ts';
import { trackResources } from '../../objects/resources/tracking.ts';
import { settleNames } from '../../overlay/virtual.ts';
import { checkAddresses, type GivenAddress } from './addresses.ts';

/** Makes the addresses of a resource the given ones, already checked. Those that stay keep their ids. */
export async function setAddresses(
  tx: Tx,
  resource: string,
  present: readonly AddressParts[],
  wanted: readonly GivenAddress[],
): Promise<void> {
  const before = new Map(present.map((address) => [address.address, address]));
  const after = placed(resource, before, wanted);
  const kept = new Set(after.map(({ id }) => id));
  await deleteAddresses(
    tx,
    present.filter(({ id }) => !kept.has(id)).map(({ id }) => id),
  );
  await insertAddresses(
    tx,
    after.filter(({ address }) => !before.has(address)),
  );
  const others = after.filter(({ address, protocols }) => {
    const old = before.get(address);
    return old !== undefined && !alike(old.protocols, protocols);
  });
  await replaceAddressProtocols(tx, others);
  for (const { id, address, position } of after)
    if (before.has(address) && before.get(address)?.position !== position) await updateAddressRow(tx, id, { position });
  await settleNames(tx, namesAmong([...before.keys(), ...after.map(({ address }) => address)]));
}

/** Changes one address of a resource; its id stays. */
export async function changeAddress(tx: Tx, id: string, body: Input<'updateAddress'>['body']): Promise<AddressParts> {
  const present = await existing(tx, id);
  const errors = new FieldErrors();
  const [wanted = body] = await checkAddresses(tx, [body], [''], errors);
  const siblings = await addressesOf(tx.scoped, [present.resource]);
  if (siblings.some((other) => other.id !== id && other.address === wanted.address))
    errors.add('/address', 'is in this resource already');
  errors.check();
  const after = { ...present, ...wanted };
  await trackResources(tx, [present.resource], async () => {
    await updateAddressRow(tx, id, { address: after.address });
    await replaceAddressProtocols(tx, [after]);
    await settleNames(tx, namesAmong([present.address, after.address]));
  });
  return after;
}

/** Removes an address from its resource. A resource without addresses reaches nothing. */
export async function removeAddress(tx: Tx, id: string): Promise<void> {
  const { resource, address } = await existing(tx, id);
  await trackResources(tx, [resource], async () => {
    await deleteAddresses(tx, [id]);
    await settleNames(tx, namesAmong([address]));
  });
}

/** Returns the host names among addresses. */
export const namesAmong = (addresses: readonly string[]): string[] => addresses.filter((address) => !isIpText(address));

async function existing(tx: Tx, id: string): Promise<AddressParts> {
  const address = await findAddress(tx.scoped, id);
  if (address === undefined) throw notFound();
  return address;
}

/** Gives the wanted addresses ids and ascending positions, and moves as few existing ones as possible. */
function placed(
  resource: string,
  before: ReadonlyMap<string, AddressParts>,
  wanted: readonly GivenAddress[],
): AddressParts[] {
  let last = -1;
  return wanted.map(({ address, protocols }) => {
    const old = before.get(address);
    last = old !== undefined && old.position > last ? old.position : last + 1;
    return { id: old?.id ?? randomUUIDv7(), resource, position: last, address, protocols };
  });
}

const alike = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((id, i) => id === b[i]);
