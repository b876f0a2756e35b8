import type { Count } from '../firewall/load.ts';
import { markText } from '../firewall/registers.ts';
import { formatAddress, parseAddress } from '../ip.ts';
import type { RelayContent, RelayElement } from '../relay/pairs.ts';
import { RELAY_MAPS, type RelayMapName } from '../relay/ruleset.ts';
import { bad, elements, integer, isObject, nftObjects, readCount, text, unwrap } from './nft-json.ts';

/** The content of the relay's table in the kernel. */
export interface RelayListing {
  /** Elements with a timeout have a value that never equals a wanted one. */
  readonly content: RelayContent;
  readonly counts: ReadonlyMap<string, Count>;
  /** Rules of each chain, in the notation of the listing. */
  readonly rules: ReadonlyMap<string, readonly string[]>;
}

/** Reads a listing of the relay's table. Throws `bad-output` on anything that our own text cannot create. */
export function readRelay(answer: unknown): RelayListing {
  const maps = Object.fromEntries(RELAY_MAPS.map(({ name }) => [name, new Map<string, RelayElement>()])) as Record<
    RelayMapName,
    Map<string, RelayElement>
  >;
  const limits = new Map<string, string>();
  const counts = new Map<string, Count>();
  const rules = new Map<string, string[]>();
  for (const { kind, body } of nftObjects(answer)) {
    const known = kind === 'map' ? RELAY_MAPS.find(({ name }) => name === body.name) : undefined;
    if (known) for (const element of elements(body)) maps[known.name].set(...readElement(element));
    else if (kind === 'limit') limits.set(text(body.name), '');
    else if (kind === 'counter') counts.set(text(body.name), readCount(body));
    else if (kind === 'chain') rules.set(text(body.name), []);
    else if (kind === 'rule') rules.get(text(body.chain))?.push(JSON.stringify(body.expr));
  }
  return { content: { maps, limits, counters: new Set(counts.keys()), ids: new Set() }, counts, rules };
}

function readElement(element: unknown): [string, RelayElement] {
  if (!Array.isArray(element) || element.length !== 2) throw bad('a map element is no pair');
  const [key, value] = element as [unknown, unknown];
  const inner = unwrap(key);
  const timed = inner !== key;
  if (!isObject(inner)) return [markText(integer(inner)), { value: valueText(value), expiresAt: null }];
  if (!Array.isArray(inner.concat)) throw bad('an unknown kind of key');
  const parts = inner.concat.map((part) =>
    typeof part === 'number' ? String(part) : formatAddress(parseAddress(text(part))),
  );
  return [parts.join(' . '), { value: markText(integer(value)), expiresAt: timed ? Number.NaN : null }];
}

/** Returns an address, a port, or the name of an object. */
function valueText(value: unknown): string {
  if (typeof value === 'number') return String(integer(value));
  const word = text(value);
  return /^(limit_|from_)/.test(word) ? word : formatAddress(parseAddress(word));
}
