import { type ExplainedName, isIpText } from '@sallyport/contract';
import { canonicalUnmapped, formatAddress, isWildcard, parsePrefix, rangeOfNames4, wildcardsOver } from '@sallyport/ip';
import type { World, WorldAddress } from '@sallyport/policy';
import { invalidField } from '../../errors.ts';
import { readableName } from '../../objects/resources/names.ts';

/** A destination that was asked about. */
export interface Target {
  /** The world in which the address has its meaning. */
  readonly world: World;
  /** A name has an address in each network in which it is. The first one that is allowed counts. */
  readonly addresses: readonly [string, ...string[]];
  /** Host name of the destination; null: it is an address without a name. */
  readonly name: ExplainedName | null;
  /** Whether gateways may know the address. A name that no device has asked for has none yet. */
  readonly known: boolean;
}

/** Returns the destination as an address: a name stands for its virtual one. */
export function targetOf(world: World, asked: string): Target {
  if (isIpText(asked)) {
    const name = nameAt(world, asked);
    return { world, addresses: [asked], name: name === null ? null : explainedName(world, name), known: true };
  }
  const own = addressesOf(world, (address) => address.name === asked && isIpv4(address));
  const [first, ...others] = new Set(own.map(({ prefix }) => withoutLength(prefix)));
  const name = explainedName(world, asked);
  if (first !== undefined) return { world, addresses: [first, ...others], name, known: true };
  if (name.wildcards.length === 0)
    throw invalidField('/destination', 'must be an IP address or the name of a private resource');
  return { world: withName(world, asked), addresses: [unusedAddress(world)], name, known: false };
}

/** Returns the world as it is after a device has asked for a name that wildcards cover. */
function withName(world: World, name: string): World {
  const wildcards = new Set(wildcardsOver(name));
  return world.with(
    [...world.resources.values()].flatMap((value) => {
      const covering = value.addresses.filter((address) => wildcards.has(address.name ?? '') && isIpv4(address));
      if (covering.length === 0) return [];
      const added = covering.map((address) => ({
        ...{ ...address, name, wildcard: address.name ?? '' },
        prefix: `${unusedAddress(world)}/32`,
      }));
      return [
        { kind: 'resource' as const, id: value.id, value: { ...value, addresses: [...value.addresses, ...added] } },
      ];
    }),
  );
}

function explainedName(world: World, name: string): ExplainedName {
  const unicode = readableName(name);
  const own = addressesOf(world, (address) => address.name === name);
  const wildcards = new Set(wildcardsOver(name));
  const covering = addressesOf(world, (address) => wildcards.has(address.name ?? ''));
  return {
    name,
    ...(unicode === null ? {} : { unicode }),
    virtualAddresses: [...new Set(own.map(({ prefix }) => withoutLength(prefix)))].sort(),
    wildcards: [...new Set(covering.flatMap((address) => address.name ?? []))],
  };
}

/** Returns the name that has a virtual address. Null: the address is no virtual one. */
function nameAt(world: World, text: string): string | null {
  const address = canonicalUnmapped(text);
  const [found] = addressesOf(world, ({ name, prefix }) => name !== undefined && withoutLength(prefix) === address);
  return found?.name === undefined || isWildcard(found.name) ? null : found.name;
}

/** Returns the ids of the addresses by which resources have a name themselves. Probes have these ids. */
export const idsOfName = (world: World, name: string): string[] =>
  addressesOf(world, (address) => address.name === name && address.wildcard === undefined).map(({ id }) => id);

const addressesOf = (world: World, wanted: (address: WorldAddress) => boolean): WorldAddress[] =>
  [...world.resources.values()].flatMap(({ addresses }) => addresses.filter(wanted));

const withoutLength = (prefix: string): string => prefix.replace(/\/\d+$/, '');
const isIpv4 = ({ prefix }: WorldAddress): boolean => !prefix.includes(':');

/** The last address of the range belongs to no name. */
const unusedAddress = ({ settings }: World): string =>
  formatAddress({ family: 4, value: parsePrefix(rangeOfNames4(settings.overlay))?.last ?? 0n });
