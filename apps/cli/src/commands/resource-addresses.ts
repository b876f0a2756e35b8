import { canonicalPrefix } from '@sallyport/ip';
import type { Client } from '../client.ts';
import { usage } from '../failure.ts';
import { kinds, resolveIds } from '../resolve.ts';

/** An address as typed, with the names of its protocols. */
export interface AddressSpec {
  readonly address: string;
  readonly protocols: readonly string[];
}

/** An address as the API takes it, with the ids of its protocols. */
export interface AddressInput {
  readonly address: string;
  readonly protocols: string[];
}

/** Parses `ADDRESS` or `ADDRESS=PROTOCOL,PROTOCOL`. An address without its own protocols takes the common ones. */
export function parseAddressSpecs(texts: readonly string[], common: readonly string[]): AddressSpec[] {
  return texts.map((text) => {
    const at = text.indexOf('=');
    const address = at === -1 ? text : text.slice(0, at);
    const own = at === -1 ? [] : text.slice(at + 1).split(',');
    const protocols = (own.length > 0 ? own : common).map((protocol) => protocol.trim());
    if (address === '' || protocols.includes('')) throw usage(`Not an address with protocols: ${text}`);
    if (protocols.length === 0)
      throw usage(
        `The address ${address} has no protocol`,
        'Give --protocol HTTPS, or ADDRESS=HTTPS,SSH. List all protocols with: sally protocols list',
      );
    return { address, protocols };
  });
}

/** Resolves names of protocols to ids with one request. */
export async function addressInputs(api: Client, specs: readonly AddressSpec[]): Promise<AddressInput[]> {
  const names = [...new Set(specs.flatMap(({ protocols }) => protocols))];
  const ids = await resolveIds(api, kinds.protocol, names);
  const idOf = new Map(names.map((name, index) => [name, ids[index] ?? '']));
  return specs.map(({ address, protocols }) => ({ address, protocols: protocols.map((name) => idOf.get(name) ?? '') }));
}

/** Returns the addresses after additions and removals. Adding an existing address replaces its protocols. */
export function changedAddresses(
  before: readonly AddressInput[],
  added: readonly AddressInput[],
  removed: readonly string[],
): AddressInput[] {
  const all = new Map(before.map((entry) => [keyOf(entry.address), entry]));
  for (const text of removed) if (!all.delete(keyOf(text))) throw usage(`The resource has no address ${text}`);
  for (const entry of added) all.set(keyOf(entry.address), entry);
  if (all.size === 0) throw usage('A resource needs an address', 'Delete it with `sally resources delete` instead.');
  return [...all.values()];
}

const keyOf = (address: string): string => canonicalPrefix(address) ?? address;
