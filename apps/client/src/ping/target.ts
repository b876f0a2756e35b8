import { isIP } from 'node:net';
import type { PathsView } from '@sallyport/agent-core';
import type { PeerItem, ResourceItem, StateItem } from '@sallyport/contract/channel';
import {
  canonicalPrefix,
  canonicalUnmapped,
  isWildcard,
  parseAddress,
  parsePrefix,
  rangeContains,
} from '@sallyport/ip';

/** The meaning of a target that a user names. */
export type Target =
  | { readonly kind: 'gateway'; readonly gateway: string; readonly address: string | null }
  /** `gateway` is null when traffic bypasses the tunnel (`routed` false), or when no gateway carries it. */
  | {
      readonly kind: 'address';
      readonly gateway: string | null;
      readonly routed: boolean;
      /** Null when the resource is a network; only the gateway can then be probed. */
      readonly address: string | null;
      readonly port: number | null;
      /** Protocols that the resource allows, for use without a port; null when unknown. */
      readonly hints: ResourceItem['ping'] | null;
    }
  | { readonly kind: 'none'; readonly why: string };

type Items = ReadonlyMap<string, StateItem>;

/** Finds a target by name, id or address. */
export function findTarget(text: string, items: Items, view: PathsView): Target {
  const { host, port } = splitPort(text);
  if (isIP(host) !== 0) return addressTarget(canonicalUnmapped(host) ?? host, port, items, view);
  const all = [...items.values()];
  const resources = all.filter((item) => item.kind === 'resource');
  const gateways = all.filter((item) => item.kind === 'peer');
  const found = [...named(resources, host), ...named(gateways, host)];
  if (found.length > 1) {
    const ids = found.map(({ id }) => id).join(', ');
    return { kind: 'none', why: `${host} is the name of several targets: choose one by its id (${ids})` };
  }
  const [only] = found;
  if (only === undefined)
    return { kind: 'none', why: `this device knows no resource, gateway or address ${JSON.stringify(text)}` };
  if (only.kind === 'peer') return { kind: 'gateway', gateway: only.id, address: only.addresses[0] ?? null };
  if (only.denied !== null) return { kind: 'none', why: `${only.name} is denied: ${only.denied}` };
  return resourceTarget(only, port, items, view);
}

function resourceTarget({ id, ping }: ResourceItem, port: number | null, items: Items, view: PathsView): Target {
  const wildcards = addressesOfWildcards(items);
  const all = [...items.values()].filter((item) => item.kind === 'route' && item.resources.includes(id));
  const routes = all.filter(({ key }) => !wildcards.has(prefixOf(key)));
  if (routes.length === 0 && all.length > 0) return { kind: 'none', why: 'it has wildcards only: name a host' };
  const route = routes.find(({ key }) => singleAddress(key) !== null) ?? routes[0];
  if (route === undefined) return { kind: 'none', why: 'no route leads to it' };
  const prefix = prefixOf(route.key);
  const gateway = view.routes.find((shown) => canonicalPrefix(shown.prefix) === prefix)?.carrier ?? null;
  return { kind: 'address', gateway, routed: true, address: singleAddress(route.key), port, hints: ping ?? null };
}

/** `address`: in canonical form, or with a zone. */
function addressTarget(address: string, port: number | null, items: Items, view: PathsView): Target {
  const gateway = [...items.values()].find((item) => item.kind === 'peer' && hasAddress(item, address));
  if (gateway?.kind === 'peer') return { kind: 'gateway', gateway: gateway.id, address };
  const covering = view.routes.filter(({ prefix }) => covers(prefix, address));
  const [longest] = covering.sort((a, b) => lengthOf(b.prefix) - lengthOf(a.prefix));
  return {
    kind: 'address',
    gateway: longest?.carrier ?? null,
    routed: longest !== undefined,
    address,
    port,
    hints: null,
  };
}

function hasAddress({ addresses }: PeerItem, address: string): boolean {
  return addresses.some((own) => canonicalUnmapped(own) === address);
}

function covers(prefix: string, address: string): boolean {
  const network = parsePrefix(prefix);
  const one = parseAddress(address);
  return network !== null && one !== null && rangeContains(network, one.family, one.value);
}

function lengthOf(prefix: string): number {
  return parsePrefix(prefix)?.length ?? 0;
}

/** Nothing answers at these. */
function addressesOfWildcards(items: Items): ReadonlySet<string> {
  const wildcards = [...items.values()].filter((item) => item.kind === 'name').filter(({ id }) => isWildcard(id));
  return new Set(wildcards.flatMap(({ addresses }) => addresses.flatMap((text) => canonicalPrefix(text) ?? [])));
}

/** Returns the canonical prefix of a route's key. */
function prefixOf(key: string): string {
  return canonicalPrefix(key.slice('route/'.length)) ?? '';
}

/** Returns the address of a route to a single address, else null. */
function singleAddress(key: string): string | null {
  const prefix = prefixOf(key);
  return prefix === '' || prefix.includes('/') ? null : prefix;
}

/** Finds objects by id or name; letter case counts only to resolve ambiguity. */
function named<T extends { readonly id: string; readonly name: string }>(all: readonly T[], text: string): T[] {
  const exact = all.filter(({ id, name }) => id === text || name === text);
  return exact.length > 0 ? exact : all.filter(({ name }) => name.toLowerCase() === text.toLowerCase());
}

/** Parses `10.0.0.1:443`, `[fd00::1]:443` or `wiki:443`; an IPv6 address without brackets has no port. */
function splitPort(text: string): { host: string; port: number | null } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = digits === undefined ? null : Number(digits);
  if (host === undefined || (port !== null && (port < 1 || port > 65_535))) return { host: text, port: null };
  return { host, port };
}
