import { HostNetError } from '../errors.ts';
import type { Listing } from '../firewall/found.ts';
import type { Count, Inventory } from '../firewall/load.ts';
import { markText } from '../firewall/registers.ts';
import { MAPS, SET_NAMES } from '../firewall/ruleset.ts';
import { formatAddress, formatRange, parseAddress, parsePrefix, prefixRange } from '../ip.ts';

/** An object of an answer. Its members are not checked yet. */
export type JsonObject = { readonly [key: string]: unknown };

/** Returns the objects of an `nft -j list` answer: `[{kind, body}]`. Throws `bad-output`. */
export function nftObjects(answer: unknown): { kind: string; body: JsonObject }[] {
  if (!isObject(answer) || !Array.isArray(answer.nftables)) throw bad('no list of objects');
  return answer.nftables.map((entry) => {
    const [kind, body] = isObject(entry) ? (Object.entries(entry)[0] ?? []) : [];
    if (kind === undefined || !isObject(body)) throw bad('an entry is no object');
    return { kind, body };
  });
}

/** Reads a listing of our table. Throws `bad-output` on anything that our own text cannot create. */
export function readListing(answer: unknown): Listing {
  const maps = new Map<string, Map<string, string | null>>();
  const rules = new Map<string, string[]>();
  for (const { kind, body } of nftObjects(answer)) {
    if (kind === 'map' || kind === 'set') maps.set(text(body.name), readElements(kind, body));
    else if (kind === 'chain') rules.set(text(body.name), []);
    else if (kind === 'rule') rules.get(text(body.chain))?.push(JSON.stringify(body.expr));
  }
  return { maps, rules };
}

/** Reads the names and counters of our table; a terse listing is enough. Throws `bad-output`. */
export function readInventory(answer: unknown): Inventory {
  const chains: string[] = [];
  const maps = new Map<string, 'map' | 'set'>();
  const counters = new Map<string, Count>();
  for (const { kind, body } of nftObjects(answer)) {
    if (kind === 'chain') chains.push(text(body.name));
    else if (kind === 'map' || kind === 'set') maps.set(text(body.name), kind);
    else if (kind === 'counter') counters.set(text(body.name), readCount(body));
  }
  return { chains, maps, counters };
}

/** Returns whether a value is a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads the elements of a map or set. Foreign maps and sets, and flows, keep only their names. */
function readElements(kind: 'map' | 'set', body: JsonObject): Map<string, string | null> {
  const name = text(body.name).replace(/_[abc]$/, '');
  if (kind === 'set') return SET_NAMES.some((known) => known === name) ? readSet(name, body) : new Map();
  const map = MAPS.find((known) => known.name === name);
  if (!map) return new Map();
  return new Map(
    elements(body).map((element) => {
      if (!Array.isArray(element) || element.length !== 2) throw bad('a map element is no pair');
      const value = mapValue(name, body.map, element[1]);
      const ofSite = name === 'site_profiles' || name === 'site_ways';
      const key = ofSite ? text(unwrap(element[0])) : readKey(element[0], map.flags === 'interval');
      return [key, value];
    }),
  );
}

function mapValue(name: string, type: unknown, value: unknown): string {
  if (type === 'mark') return markText(integer(value));
  return name === 'names4' || name === 'names6' ? endText(value) : text(value);
}

function readSet(name: string, body: JsonObject): Map<string, null> {
  return new Map(
    elements(body).map((element) => {
      if (name === 'lease') return [markText(integer(unwrap(element))), null];
      return [name === 'internet' ? text(unwrap(element)) : readKey(element, false), null];
    }),
  );
}

/** Returns the elements of a listed map or set. Throws `bad-output`. */
export function elements(body: JsonObject): readonly unknown[] {
  const list = body.elem ?? [];
  if (!Array.isArray(list)) throw bad('elements are no list');
  return list;
}

/** Returns a key in this package's notation: an address, a range `first-last`, or `mark . class`. */
export function readKey(key: unknown, interval: boolean): string {
  const value = unwrap(key);
  if (isObject(value)) {
    if (Array.isArray(value.range)) return `${endText(value.range[0])}-${endText(value.range[1])}`;
    if (isObject(value.prefix)) return readPrefix(value.prefix);
    if (Array.isArray(value.concat)) {
      return `${markText(integer(value.concat[0]))} . ${text(value.concat[1])}`;
    }
    throw bad('an unknown kind of key');
  }
  return interval ? `${endText(value)}-${endText(value)}` : endText(value);
}

/** Returns the key of an element without its timeout. */
export function unwrap(key: unknown): unknown {
  return isObject(key) && isObject(key.elem) ? key.elem.val : key;
}

function readPrefix(prefix: JsonObject): string {
  const address = text(prefix.addr);
  return formatRange(prefixRange(parsePrefix(`${address}/${integer(prefix.len)}`)));
}

function endText(value: unknown): string {
  return typeof value === 'number' ? String(integer(value)) : formatAddress(parseAddress(text(value)));
}

/** Reads a listed counter. Throws `bad-output`. */
export function readCount(body: JsonObject): Count {
  return { packets: integer(body.packets), bytes: integer(body.bytes) };
}

/** Returns the value if it is a text. Throws `bad-output`. */
export function text(value: unknown): string {
  if (typeof value !== 'string') throw bad('a text is missing');
  return value;
}

/** Returns the value if it is a safe integer. Throws `bad-output`. */
export function integer(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw bad('a number is missing');
  return value;
}

/** Returns the error for an answer that cannot be parsed. */
export function bad(what: string): HostNetError {
  return new HostNetError('bad-output', `the answer of nft is not understood: ${what}`);
}
