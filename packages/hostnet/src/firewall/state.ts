import type { Grant } from '@sallyport/contract/channel';
import { HostNetError } from '../errors.ts';
import {
  formatAddress,
  formatRange,
  parseAddress,
  parsePrefix,
  parseRange,
  prefixRange,
  withoutRanges,
} from '../ip.ts';
import type {
  AddressClass,
  Bundle,
  Cell,
  Egress,
  FirewallDevice,
  FirewallState,
  NamesChange,
  PeerGateway,
  Profile,
  Site,
} from '../types.ts';
import { CELL_MAPS } from './rule-text.ts';
import { checkTransit } from './transit.ts';

/** A change of the state: items to replace as a whole and to remove, by kind, and changed settings. */
export interface FirewallDelta {
  readonly settings?: Partial<Pick<FirewallState, 'masquerade' | 'draining' | 'leaseUntil' | 'transit' | 'near'>> & {
    /** What changed about names; null: this gateway translates none any more. */
    readonly names?: NamesChange | null;
  };
  readonly upsert?: Partial<FirewallItems>;
  readonly remove?: { readonly [K in keyof FirewallItems]?: readonly string[] };
}

/** Items of the firewall, by kind. */
export interface FirewallItems {
  readonly devices: readonly FirewallDevice[];
  readonly sites: readonly Site[];
  readonly gateways: readonly PeerGateway[];
  readonly egress: readonly Egress[];
  readonly classes: readonly AddressClass[];
  readonly profiles: readonly Profile[];
  readonly bundles: readonly Bundle[];
}

/** Kind of a firewall item. */
export type ItemKind = keyof FirewallItems;
/** All kinds of firewall items. */
export const ITEM_KINDS = [
  'devices',
  'sites',
  'gateways',
  'egress',
  'classes',
  'profiles',
  'bundles',
] as const satisfies readonly ItemKind[];

/** Refuses values that nft text cannot express unchanged and unambiguously. Throws `invalid-state`. */
export function checkDelta(delta: FirewallDelta): void {
  for (const member of [...(delta.upsert?.devices ?? []), ...(delta.upsert?.gateways ?? [])]) {
    member.addresses.forEach(parseAddress);
    checkTime(member.expiresAt);
  }
  for (const site of delta.upsert?.sites ?? []) {
    site.prefixes.forEach(parsePrefix);
    checkTime(site.expiresAt);
  }
  for (const { sources, destinations, expiresAt } of delta.upsert?.egress ?? []) {
    sources.forEach(parsePrefix);
    destinations.forEach(parsePrefix);
    checkTime(expiresAt);
  }
  for (const { ranges } of delta.upsert?.classes ?? []) ranges.forEach(parseRange);
  for (const { cells } of delta.upsert?.profiles ?? []) for (const cell of cells) checkCell(cell);
  for (const bundle of delta.upsert?.bundles ?? []) checkGrants(bundle);
  if (delta.settings?.transit !== undefined) checkTransit(delta.settings.transit);
  delta.settings?.near?.forEach(parsePrefix);
  if (delta.settings?.leaseUntil !== undefined) checkTime(delta.settings.leaseUntil);
}

/** Refuses a translation between families, or of addresses that are not canonical. Throws `invalid-state`. */
export function checkName(virtual: string, real: string): void {
  const [from, to] = [addressKey(virtual), addressKey(real)];
  if (from.family !== to.family || from.key !== virtual || to.key !== real)
    throw new HostNetError('invalid-state', `${virtual} cannot stand for ${real}`);
}

/** Returns the family and the key of an address, so that each address has exactly one spelling. */
export function addressKey(text: string): { family: 4 | 6; key: string } {
  const address = parseAddress(text);
  return { family: address.family, key: formatAddress(address) };
}

/** Returns the ranges of a site's prefix outside the overlay. Overlay addresses belong only to devices. */
export function siteRangeKeys(text: string, overlay: Overlay): { family: 4 | 6; keys: string[] } {
  const { family, first, last } = prefixRange(parsePrefix(text));
  const hole = prefixRange(parsePrefix(overlay[`v${family}`]));
  if (hole.last < first || last < hole.first) return { family, keys: [formatRange({ family, first, last })] };
  const parts = [
    { family, first, last: hole.first - 1n },
    { family, first: hole.last + 1n, last },
  ];
  return { family, keys: parts.filter((part) => part.first <= part.last).map(formatRange) };
}

/** Name of a map that holds a class. Single addresses have their own map, because its look-up is cheaper. */
export type ClassMap = `${'hosts' | 'classes'}${4 | 6}`;

/** Returns the addresses and ranges of a class. The internet class leaves out the networks at the host. */
export function classKeys(item: AddressClass, near: readonly string[]): { map: ClassMap; key: string }[] {
  const holes = item.internet ? near.map((text) => prefixRange(parsePrefix(text))) : [];
  return item.ranges
    .flatMap((text) => withoutRanges(parseRange(text), holes))
    .map(({ family, first, last }) =>
      first === last
        ? { map: `hosts${family}`, key: formatAddress({ family, value: first }) }
        : { map: `classes${family}`, key: formatRange({ family, first, last }) },
    );
}

type Overlay = { readonly v4: string; readonly v6: string };

/**
 * Encodes an id as part of a name in the kernel, so that it can be decoded again. Letters, digits and `-` stay as they
 * are. Every other character becomes its hexadecimal code between underscores.
 */
export function escapeId(id: string): string {
  return id.replace(/[^A-Za-z0-9-]/gu, (char) => `_${(char.codePointAt(0) ?? 0).toString(16)}_`);
}

/** Decodes a name that `escapeId` made. Returns null for any other name. */
export function unescapeId(text: string): string | null {
  if (!/^(?:[A-Za-z0-9-]|_(?:10[0-9a-f]{4}|[0-9a-f]{1,5})_)+$/.test(text)) return null;
  return text.replace(/_([0-9a-f]+)_/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)));
}

/** Returns the name of a policy's counter. */
export function policyCounter(policy: string): string {
  const name = `policy.${escapeId(policy)}`;
  if (policy === '' || name.length > 120) throw new HostNetError('invalid-state', 'a policy id is empty or too long');
  return name;
}

/** Returns the policy of a counter, or null if the counter belongs to no policy. */
export function counterPolicy(name: string): string | null {
  return name.startsWith('policy.') ? unescapeId(name.slice('policy.'.length)) : null;
}

function checkGrants(bundle: Bundle): void {
  const last = new Map<string, number>();
  for (const grant of [...bundle.grants].sort((a, b) => a.from - b.from)) {
    checkPorts(bundle.id, grant);
    policyCounter(grant.policy);
    if ((last.get(grant.protocol) ?? -1) >= grant.from) {
      throw new HostNetError('invalid-state', `bundle ${bundle.id}: ${grant.protocol} grants overlap`);
    }
    last.set(grant.protocol, grant.to);
  }
}

function checkPorts(bundle: string, { protocol, from, to }: Grant): void {
  const known = ['tcp', 'udp', 'icmp', 'other'].includes(protocol);
  if (known && Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to && to <= 0xffff) return;
  throw new HostNetError('invalid-state', `bundle ${bundle}: not a grant: ${protocol} ${from}-${to}`);
}

function checkCell({ class: of, expiresAt, after = [] }: Cell): void {
  checkTime(expiresAt);
  for (const successor of after) checkTime(successor.expiresAt);
  if (after.length < CELL_MAPS.length) return;
  throw new HostNetError('invalid-state', `the cell of class ${of} has ${after.length} successors`);
}

function checkTime(value: number | null): void {
  if (value === null || Number.isFinite(value)) return;
  throw new HostNetError('invalid-state', `not a point in time: ${value}`);
}
