import { HostNetError } from '../errors.ts';
import { markText } from '../firewall/registers.ts';
import { escapeId, unescapeId } from '../firewall/state.ts';
import { formatAddress, parseAddress } from '../ip.ts';
import type { RelayPair, RelaySide } from '../types.ts';
import { RELAY_MAPS, RELAY_MARK, type RelayMapName } from './ruleset.ts';

/** Value of a map element, and the time at which the kernel drops it: epoch milliseconds; null means never. */
export interface RelayElement {
  readonly value: string;
  readonly expiresAt: number | null;
}

/** The wanted content of the kernel's table. */
export interface RelayContent {
  readonly maps: Readonly<Record<RelayMapName, ReadonlyMap<string, RelayElement>>>;
  /** The name, and the text that follows it in the command that creates it. */
  readonly limits: ReadonlyMap<string, string>;
  readonly counters: ReadonlySet<string>;
  /** The pairs that the table contains. */
  readonly ids: ReadonlySet<string>;
}

/**
 * Returns the wanted content of the table. Throws `invalid-state` on malformed pairs, and when two share an id or a
 * port.
 */
export function relayContent(pairs: readonly RelayPair[], now: number): RelayContent {
  const maps = Object.fromEntries(RELAY_MAPS.map(({ name }) => [name, new Map<string, RelayElement>()])) as Record<
    RelayMapName,
    Map<string, RelayElement>
  >;
  const content = { maps, limits: new Map<string, string>(), counters: new Set<string>(), ids: new Set<string>() };
  const ids = new Set<string>();
  const ports = new Set<number>();
  for (const pair of pairs) {
    checkPair(pair, ids, ports);
    ids.add(pair.id);
    ports.add(pair.port);
    if (pair.expiresAt !== null && pair.expiresAt - now < 1) continue;
    const ends = readEnds(pair);
    if (ends === null) continue;
    content.ids.add(pair.id);
    addPair(content, pair, ends);
  }
  return content;
}

/** Returns the names of the counters of a pair, by the side that sends. */
export function counterName(id: string, side: 'a' | 'b'): string {
  return `from_${side}.${escapeId(id)}`;
}

/** Returns the pair and side of a counter by its name, or null if the counter is foreign. */
export function counterOwner(name: string): { readonly id: string; readonly side: 'a' | 'b' } | null {
  const match = /^from_([ab])\.(.+)$/.exec(name);
  const id = match ? unescapeId(match[2] as string) : null;
  return id === null ? null : { id, side: match?.[1] as 'a' | 'b' };
}

interface End {
  readonly address: string;
  readonly port: number;
  readonly local: string;
}

interface Ends {
  readonly family: 4 | 6;
  readonly a: End;
  readonly b: End;
}

/**
 * Returns the ends of a pair, or null if the kernel cannot serve it. Both ends must be known, of one family, and
 * differ in their remote address or port.
 */
function readEnds({ a, b }: RelayPair): Ends | null {
  if (a === null || b === null) return null;
  const family = parseAddress(a.address).family;
  const all = [a.address, a.local, b.address, b.local].map((text) => parseAddress(text));
  if (all.some((address) => address.family !== family)) return null;
  const [first, second] = [readEnd(a), readEnd(b)];
  if (first.address === second.address && first.port === second.port) return null;
  return { family, a: first, b: second };
}

function readEnd({ address, port, local }: RelaySide): End {
  return { address: formatAddress(parseAddress(address)), port, local: formatAddress(parseAddress(local)) };
}

type Mutable = {
  readonly maps: Record<RelayMapName, Map<string, RelayElement>>;
  readonly limits: Map<string, string>;
  readonly counters: Set<string>;
};

function addPair({ maps, limits, counters }: Mutable, pair: RelayPair, { family, a, b }: Ends): void {
  const rate = Math.min(pair.bytesPerSecond, HIGHEST_RATE);
  const limit = `limit_${pair.port}_${rate}`;
  limits.set(limit, `{ rate over ${rate} bytes/second }`);
  for (const side of ['a', 'b'] as const) {
    const [from, to] = side === 'a' ? [a, b] : [b, a];
    const mark = markText(RELAY_MARK + pair.port * 2 + (side === 'a' ? 0 : 1));
    const stays = (value: string): RelayElement => ({ value, expiresAt: null });
    const counter = counterName(pair.id, side);
    counters.add(counter);
    const key = `${from.address} . ${from.port} . ${from.local} . ${pair.port}`;
    maps[`ways${family}`].set(key, { value: mark, expiresAt: pair.expiresAt });
    maps.limits.set(mark, stays(limit));
    maps.counts.set(mark, stays(counter));
    maps[`to_address${family}`].set(mark, stays(to.address));
    maps.to_port.set(mark, stays(String(to.port)));
    maps[`from_address${family}`].set(mark, stays(to.local));
    maps.from_port.set(mark, stays(String(pair.port)));
  }
}

function checkPair(pair: RelayPair, ids: ReadonlySet<string>, ports: ReadonlySet<number>): void {
  const { id, port, bytesPerSecond, expiresAt } = pair;
  const fault =
    id === '' || escapeId(id).length > 100
      ? 'its id is empty or too long'
      : ids.has(id)
        ? 'it is given twice'
        : ports.has(port)
          ? `port ${port} is another pair's`
          : ![port, pair.a?.port ?? 1, pair.b?.port ?? 1].every(isPort)
            ? 'a port is malformed'
            : !Number.isSafeInteger(bytesPerSecond) || bytesPerSecond < 1
              ? 'its rate is malformed'
              : expiresAt !== null && !Number.isFinite(expiresAt)
                ? 'its expiry is malformed'
                : null;
  if (fault !== null) throw new HostNetError('invalid-state', `relay pair ${JSON.stringify(id)}: ${fault}`);
}

/** The highest rate of a pair. The kernel counts a second's worth in 64 bits, in billionths; it refuses over 18 GB/s. */
const HIGHEST_RATE = 10_000_000_000;

function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 0xffff;
}
