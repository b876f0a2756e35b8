import { HostNetError } from '../errors.ts';

/**
 * A packet's way through the table is a chain of look-ups whose results live in two registers, `meta mark` and
 * `meta priority`. A look-up that misses ends its rule only and leaves the register as it was. So every kind of number has
 * a range of its own: a value left over from an earlier step can never be a key of a later one.
 *
 * | register | value                     | meaning                                             |
 * | mark     | 0x1                       | start value, and the key of the lease               |
 * | mark     | 0x10000001 … 0x1fffffff   | profile                                             |
 * | mark     | 0x20000001 … 0x2fffffff   | bundle                                              |
 * | mark     | 0x30000001 … 0x3fffffff   | site, as an end of a way                            |
 * | mark     | 0x40000001 … 0x4fffffff   | group of egress sources                             |
 * | priority | 0:0                       | start value                                         |
 * | priority | 1000:0001 … 1fff:ffff     | address class                                       |
 * | priority | 2000:0001, 2000:0002      | port class of ICMP echo, of all other IP protocols  |
 * | priority | 2000:0010 … 2fff:ffff     | port class of a range of TCP or UDP ports           |
 * | priority | 3000:0001 … 3fff:ffff     | group of egress destinations                        |
 * | priority | 4000:0001 … 4fff:ffff     | site                                                |
 * | priority | 8053:0001, 8053:0002      | way of a packet out of the tunnel, until it is marked |
 *
 * Numbers are local to the host and are given once per load, never again: a packet that is half-way through while a
 * change is committed cannot meet an old number with a new meaning.
 */
export const PROFILE_BASE = 0x10000000;
/** The number before the first bundle. */
export const BUNDLE_BASE = 0x20000000;
/** The number before the first site, in the priority. */
export const SITE_BASE = 0x40000000;
/** The offset that turns a site's number into a number for the mark. */
export const SITE_MARK_OFFSET = -0x10000000;
/** The number before the first group of egress sources. */
export const EGRESS_SOURCE_BASE = 0x40000000;
/** The number before the first address class. */
export const CLASS_BASE = 0x10000000;
/** The number before the first port class. */
export const PORT_CLASS_BASE = 0x20000000;
/** The number before the first group of egress destinations. */
export const EGRESS_DESTINATION_BASE = 0x30000000;
/** The mark from which a look-up starts, and the key of the lease. */
export const START_MARK = 0x1;
/** Port class of ICMP echo. */
export const ICMP_PORT_CLASS = PORT_CLASS_BASE + 1;
/** Port class of all other IP protocols. */
export const OTHER_PORT_CLASS = PORT_CLASS_BASE + 2;
/** The first port class of a range of TCP or UDP ports. */
export const FIRST_PORT_CLASS = PORT_CLASS_BASE + 0x10;

/**
 * Mark bit of packets that entered through the tunnel, or are about to enter it, while our table was in force. The
 * prerouting hook sets it, and the policy-routing rule reads it. The rules clear the whole mark before they accept a
 * packet.
 */
export const CHECKED_MARK = 0x08000000;

/**
 * Mark by which policy rules choose a routing table for traffic with one end behind another gateway. The other end is
 * this host or behind it. The mark contains `CHECKED_MARK`.
 */
export const AWAY_MARK = CHECKED_MARK + 0x04000000;
/** Mark of a packet that came out of the tunnel and goes back into it; see `AWAY_MARK`. */
export const ONWARD_MARK = CHECKED_MARK + 0x02000000;
/**
 * Priority that carries `AWAY_MARK` from the first hook to the hook after mangle, because other programs may replace
 * the mark.
 */
export const AWAY_PRIORITY = 0x80530001;
/** Priority that carries `ONWARD_MARK` in the same way; see `AWAY_PRIORITY`. */
export const ONWARD_PRIORITY = 0x80530002;

const SPACE = 0x10000000;
/** Bits that identify the space of a number. */
export const SPACE_MASK = 0xf0000000;

/** A mark as nft lists it. */
export function markText(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

/** A `classid` as nft writes it: major and minor number in hexadecimal. */
export function classText(value: number): string {
  return `${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}`;
}

/** Returns the number that `classText` wrote, or 0 for any other text. */
export function classNumber(value: string | null): number {
  const match = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(value ?? '');
  return match ? Number.parseInt(match[1] as string, 16) * 0x10000 + Number.parseInt(match[2] as string, 16) : 0;
}

/** Hands out the numbers of one space, each once. */
export class Sequence {
  readonly #limit: number;
  #next: number;

  constructor(base: number, first: number = base + 1) {
    this.#limit = base + SPACE;
    this.#next = first;
  }

  take(): number {
    if (this.#next >= this.#limit) throw new HostNetError('invalid-state', 'register numbers used up: load anew');
    return this.#next++;
  }
}

/** Numbers of one kind of id, kept while anything refers to the id. Settling a change frees ids without references. */
export class Numbering {
  readonly #sequence: Sequence;
  readonly #entries = new Map<string, { number: number; references: number }>();
  readonly #ids = new Map<number, string>();
  readonly #idle = new Set<string>();

  constructor(base: number) {
    this.#sequence = new Sequence(base);
  }

  acquire(id: string): number {
    let entry = this.#entries.get(id);
    if (!entry) {
      entry = { number: this.#sequence.take(), references: 0 };
      this.#entries.set(id, entry);
      this.#ids.set(entry.number, id);
    }
    entry.references += 1;
    return entry.number;
  }

  /** Returns whether an id has a number. */
  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** Returns the number of an id that is in use. */
  of(id: string): number {
    const entry = this.#entries.get(id);
    if (!entry) throw new Error(`no number for ${id}`);
    return entry.number;
  }

  id(number: number): string | undefined {
    return this.#ids.get(number);
  }

  release(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    entry.references -= 1;
    if (entry.references === 0) this.#idle.add(id);
  }

  /** Forgets ids that lost their last reference in this change and gained none. */
  settle(): void {
    for (const id of this.#idle) {
      const entry = this.#entries.get(id);
      if (!entry || entry.references > 0) continue;
      this.#entries.delete(id);
      this.#ids.delete(entry.number);
    }
    this.#idle.clear();
  }
}
