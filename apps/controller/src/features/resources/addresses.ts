import { canonicalName } from '@sallyport/contract/host-name';
import { canonicalPrefix, isWildcard, parsePrefix, rangeContains } from '@sallyport/ip';
import { reservedRanges } from '@sallyport/policy';
import type { Tx } from '../../db/store.ts';
import type { FieldErrors } from '../../field-errors.ts';
import { protocolsById } from '../../objects/protocols/queries.ts';
import { nameRefusal, wildcardRefusal } from '../../objects/resources/names.ts';
import { overlayColumn } from '../../overlay/range.ts';
import { namesColumn, overlayOf } from '../../overlay/range-of-names.ts';

/** An address as a request gives it. */
export interface GivenAddress {
  readonly address: string;
  /** Protocol ids. */
  readonly protocols: readonly string[];
}

/**
 * Checks addresses of one resource and returns them in canonical form: host bits cleared, names and ids in lower case. What is
 * wrong is added to `errors`; `pointers` has the JSON pointer of each address object.
 */
export async function checkAddresses(
  tx: Tx,
  given: readonly GivenAddress[],
  pointers: readonly string[],
  errors: FieldErrors,
): Promise<GivenAddress[]> {
  const canonical = given.map(({ address, protocols }) => ({
    address: canonicalPrefix(address) ?? canonicalName(address),
    protocols: protocols.map((id) => id.toLowerCase()),
  }));
  const reserved = reservedRanges(await settings(tx));
  const seen = new Set<string>();
  for (const [i, { address }] of canonical.entries()) {
    const pointer = `${pointers[i]}/address`;
    if (seen.has(address)) errors.add(pointer, 'is in this resource already');
    seen.add(address);
    await checkText(address, pointer, reserved, errors);
  }
  await checkProtocols(tx, canonical, pointers, errors);
  return canonical;
}

async function settings(tx: Tx) {
  const columns = ['overlay_v6', 'mtu', 'time_zone'] as const;
  const row = await tx.scoped
    .selectTenant()
    .select(columns)
    .select([overlayColumn, namesColumn])
    .executeTakeFirstOrThrow();
  const { mtu, time_zone } = row;
  return { overlay: overlayOf(row), mtu, timeZone: time_zone, beacons: [] };
}

async function checkText(
  address: string,
  pointer: string,
  reserved: ReturnType<typeof reservedRanges>,
  errors: FieldErrors,
): Promise<void> {
  const prefix = parsePrefix(address);
  if (prefix === null) {
    const refusal = nameRefusal(address) ?? (isWildcard(address) ? await wildcardRefusal(address) : null);
    if (refusal !== null) errors.add(pointer, refusal);
    return;
  }
  const inside = reserved.find(
    (range) => rangeContains(range, prefix.family, prefix.first) && rangeContains(range, prefix.family, prefix.last),
  );
  if (inside !== undefined) errors.add(pointer, `is inside ${inside.name}, which no resource can have`);
}

async function checkProtocols(
  tx: Tx,
  addresses: readonly GivenAddress[],
  pointers: readonly string[],
  errors: FieldErrors,
): Promise<void> {
  const known = await protocolsById(
    tx.scoped,
    addresses.flatMap(({ protocols }) => protocols),
  );
  for (const [i, { protocols }] of addresses.entries())
    for (const [j, id] of protocols.entries()) {
      const pointer = `${pointers[i]}/protocols/${j}`;
      if (!known.has(id)) errors.add(pointer, 'is not the id of a protocol', 'invalid_reference');
      else if (protocols.indexOf(id) !== j) errors.add(pointer, 'is given twice');
    }
}
