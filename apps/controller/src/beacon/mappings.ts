/**
 * Kind of the NAT in front of an agent's WireGuard socket. `undecided`: not seen at both ports yet, or not at a
 * comparable time. `independent`: the same `host:port` for all destinations. `dependent`: a different one for each
 * destination.
 */
export type Mapping =
  | { readonly kind: 'undecided' }
  | { readonly kind: 'independent'; readonly endpoint: string }
  | { readonly kind: 'dependent' };

/** Place of an agent, as one port of the beacon sees it. Times in milliseconds of one clock. */
interface Sight {
  readonly endpoint: string;
  /** Place before the last move; null: it has not moved. */
  readonly before: string | null;
  readonly movedAt: number;
  readonly at: number;
}

interface Entry {
  readonly sights: [Sight | null, Sight | null];
  mapping: Mapping;
}

/**
 * Judges the mapping of each agent by the source of its authenticated messages at two ports. An agent that moves is
 * heard at one port first, and up to a keepalive later at the other. Until then the kind of its mapping stays, and an
 * independent one follows at once.
 */
export class Mappings {
  readonly #entries = new Map<string, Entry>();

  get size(): number {
    return this.#entries.size;
  }

  /** Records an authenticated message of the agent at a port. Returns the mapping when it changed, else null. */
  seen(agent: string, port: 0 | 1, endpoint: string, now: number): Mapping | null {
    const entry = this.#entries.get(agent) ?? { sights: [null, null], mapping: undecided };
    this.#entries.set(agent, entry);
    entry.sights[port] = sight(entry.sights[port], endpoint, now);
    const mapping = judge(entry, now);
    if (sameMapping(mapping, entry.mapping)) return null;
    entry.mapping = mapping;
    return mapping;
  }

  of(agent: string): Mapping {
    return this.#entries.get(agent)?.mapping ?? undecided;
  }

  forget(agent: string): void {
    this.#entries.delete(agent);
  }

  /** Returns agents that were silent at both ports for so long that NATs have forgotten them. */
  silent(now: number): string[] {
    return [...this.#entries].flatMap(([agent, { sights }]) =>
      sights.some((seen) => seen !== null && now - seen.at < forgottenMs) ? [] : [agent],
    );
  }

  /** Returns whether an agent was heard recently; left out: any, so that the silence of others means something. */
  hears(now: number, agent?: string): boolean {
    const isRecent = ({ sights }: Entry) => sights.some((seen) => seen !== null && now - seen.at < recentMs);
    if (agent === undefined) return this.#entries.values().some(isRecent);
    const entry = this.#entries.get(agent);
    return entry !== undefined && isRecent(entry);
  }

  has(agent: string): boolean {
    return this.#entries.has(agent);
  }

  /** Returns the number of agents with a mapping of each kind. */
  kinds(): Readonly<Record<Mapping['kind'], number>> {
    const counts = { undecided: 0, independent: 0, dependent: 0 };
    for (const { mapping } of this.#entries.values()) counts[mapping.kind]++;
    return counts;
  }
}

const undecided: Mapping = { kind: 'undecided' };

/** Nine keepalives. NATs must keep a UDP mapping for two minutes (RFC 4787, REQ-5). */
const forgottenMs = 180_000;
/** Three keepalives. */
const recentMs = 60_000;
/** Silence after which a mapping ends, milliseconds. */
export const silenceMs = forgottenMs;
/** Sights this far apart count as simultaneous: an agent brings both peers up together. */
const togetherMs = 5_000;

function sight(before: Sight | null, endpoint: string, now: number): Sight {
  if (before === null) return { endpoint, before: null, movedAt: now, at: now };
  if (before.endpoint === endpoint) return { ...before, at: now };
  return { endpoint, before: before.endpoint, movedAt: now, at: now };
}

function judge({ sights, mapping }: Entry, now: number): Mapping {
  const [a, b] = sights.map((seen) => (seen !== null && now - seen.at < forgottenMs ? seen : null));
  if (!a || !b) return follow(mapping, a ?? b ?? null);
  if (a.endpoint === b.endpoint) return { kind: 'independent', endpoint: a.endpoint };
  const [older, newer] = a.movedAt <= b.movedAt ? [a, b] : [b, a];
  // One port still shows the place from before the move: it was not heard since. All other sights count as
  // simultaneous.
  const slackMs = newer.before === older.endpoint ? 0 : togetherMs;
  return older.at <= newer.movedAt - slackMs ? follow(mapping, newer) : { kind: 'dependent' };
}

/** Returns the kind as it was, at the newest place. */
function follow(mapping: Mapping, newest: Sight | null): Mapping {
  return mapping.kind === 'independent' && newest !== null ? { ...mapping, endpoint: newest.endpoint } : mapping;
}

const sameMapping = (a: Mapping, b: Mapping): boolean =>
  a.kind === b.kind && (a.kind !== 'independent' || b.kind !== 'independent' || a.endpoint === b.endpoint);
