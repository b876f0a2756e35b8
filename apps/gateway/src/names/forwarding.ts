import { type DecodedPacket, encode, encodingLength, RECURSION_AVAILABLE } from 'dns-packet';
import { isAloof, reverseAddress } from './private-names.ts';
import { askPacket, canonical, type Upstream, UpstreamError } from './upstream.ts';

/** Dependencies of forwarding. */
export interface ForwardingOptions {
  /** Where names are asked for. Null: this name is not forwarded. */
  readonly upstreamFor: (name: string) => Promise<Upstream | null>;
  /** Returns whether no name may lead to an address. */
  readonly isForbidden: (address: string) => boolean;
  /** Returns whether an address is of a private network. */
  readonly isPrivate: (address: string) => boolean;
  /** Returns whether the device at an address may reach any port of another address. */
  readonly mayReach: (source: string, address: string) => boolean;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

type Records = NonNullable<DecodedPacket['answers']>;

interface Found {
  readonly code: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL';
  readonly answers: Records;
  readonly authorities: Records;
  readonly until: number;
}

/** Types whose records hold addresses in a form that is not checked here, and so get no data; 64 and 65: SVCB and HTTPS. */
const withoutData: ReadonlySet<string> = new Set(['UNKNOWN_64', 'UNKNOWN_65', 'APL', 'IPSECKEY']);
const forwarded: ReadonlySet<string> = new Set([
  ...['A', 'AAAA', 'CNAME', 'MX', 'TXT', 'SRV', 'PTR', 'NS', 'SOA', 'CAA', 'NAPTR'],
]);
const codes = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
const recursionDesired = 1 << 8;
const truncated = 1 << 9;
const plainDatagram = 512;
const largestDatagram = 1232;
const longestMs = 60_000;
const failureMs = 2_000;
const mostRemembered = 2_000;
/** Bytes of an answer that is kept. A device may have a zone of its own, with many long answers. */
const largestRemembered = 4_096;
/** Questions that are asked at the same time: of all devices, and of one. */
const mostAtOnce = 300;
const mostOfOne = 50;

/**
 * Answers devices about names of no resource, with what the gateway's own resolvers say. An answer never leads where
 * names may not lead, and names addresses of private networks only to devices that may reach them.
 */
export class Forwarding {
  readonly #options: ForwardingOptions;
  readonly #known = new Map<string, Found>();
  readonly #asked = new Map<string, Promise<Found>>();
  readonly #pending = new Map<string, number>();

  constructor(options: ForwardingOptions) {
    this.#options = options;
  }

  /** Forgets answers: other resolvers may give other ones. */
  forget(): void {
    this.#known.clear();
  }

  /** Answers a query. Null: the device asks too much at once. */
  async answer(query: DecodedPacket, source: string, over: 'udp' | 'tcp'): Promise<Buffer | null> {
    const [question] = query.questions ?? [];
    if (question === undefined) return null;
    const { type } = question;
    const name = canonical(question.name);
    if (withoutData.has(type)) return reply(query, 'NOERROR', over);
    if (!forwarded.has(type)) return reply(query, 'NOTIMP', over);
    if (isAloof(name) || !this.#mayReverse(name, source)) return reply(query, 'NXDOMAIN', over);
    const found = await this.#limited(source, () => this.#find(name, type));
    if (found === null) return null;
    if (found === 'refused') return reply(query, 'REFUSED', over);
    return reply(query, found.code, over, this.#allowed(found.answers, source), found.authorities);
  }

  #mayReverse(name: string, source: string): boolean {
    const address = reverseAddress(name);
    if (address === null) return true;
    const { isForbidden, isPrivate, mayReach } = this.#options;
    return !isForbidden(address) && (!isPrivate(address) || mayReach(source, address));
  }

  /** Removes addresses that the device must not learn, or must not be led to. */
  #allowed(answers: Records, source: string): Records {
    const { isForbidden, isPrivate, mayReach } = this.#options;
    return answers.filter((record) => {
      if (record.type !== 'A' && record.type !== 'AAAA') return true;
      const address = record.data;
      return !isForbidden(address) && (!isPrivate(address) || mayReach(source, address));
    });
  }

  async #limited<T>(source: string, work: () => Promise<T>): Promise<T | null> {
    const own = this.#pending.get(source) ?? 0;
    if (own >= mostOfOne) return null;
    this.#pending.set(source, own + 1);
    try {
      return await work();
    } finally {
      const left = (this.#pending.get(source) ?? 1) - 1;
      if (left === 0) this.#pending.delete(source);
      else this.#pending.set(source, left);
    }
  }

  /** Devices that ask the same share one question. Null: too many questions are under way. */
  async #find(name: string, type: string): Promise<Found | 'refused' | null> {
    const key = `${type} ${name}`;
    const known = this.#known.get(key);
    if (known !== undefined && known.until > this.#options.now()) return aged(known, this.#options.now());
    const upstream = await this.#options.upstreamFor(name);
    if (upstream === null) return 'refused';
    const running = this.#asked.get(key);
    if (running !== undefined) return running;
    if (this.#asked.size >= mostAtOnce) return null;
    const asked = this.#ask(upstream, name, type).finally(() => this.#asked.delete(key));
    this.#asked.set(key, asked);
    const found = await asked;
    this.#remember(key, found);
    return found;
  }

  async #ask(upstream: Upstream, name: string, type: string): Promise<Found> {
    const now = this.#options.now;
    try {
      const packet = await askPacket(upstream, name, type);
      const code = (packet as { rcode?: string }).rcode === 'NXDOMAIN' ? 'NXDOMAIN' : 'NOERROR';
      const answers = (packet.answers ?? []).filter((record) => record.type === type || record.type === 'CNAME');
      const authorities = (packet.authorities ?? []).filter((record) => record.type === 'SOA').slice(0, 1);
      const ttls = [...answers, ...authorities].flatMap((record) => ('ttl' in record ? (record.ttl ?? 0) : []));
      return { code, answers, authorities, until: now() + Math.min(Math.min(...ttls) * 1000, longestMs) };
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      return { code: 'SERVFAIL', answers: [], authorities: [], until: now() + failureMs };
    }
  }

  #remember(key: string, found: Found): void {
    this.#known.delete(key);
    if (encodingLength({ answers: found.answers, authorities: found.authorities }) > largestRemembered) return;
    this.#known.set(key, found);
    const [oldest] = this.#known.keys();
    if (this.#known.size > mostRemembered && oldest !== undefined) this.#known.delete(oldest);
  }
}

/** Returns what is known with the time that is left to it. */
function aged(found: Found, now: number): Found {
  const left = Math.max(Math.ceil((found.until - now) / 1000), 0);
  const shorter = (records: Records): Records =>
    records.map((record) => ('ttl' in record ? { ...record, ttl: Math.min(record.ttl ?? 0, left) } : record));
  return { ...found, answers: shorter(found.answers), authorities: shorter(found.authorities) };
}

/** Returns an answer. Over UDP, one that the device cannot take is marked as truncated, so that it asks over TCP. */
function reply(
  { id, questions = [], additionals = [], flag_rd }: DecodedPacket,
  code: keyof typeof codes,
  over: 'udp' | 'tcp',
  answers: Records = [],
  authorities: Records = [],
): Buffer {
  const flags = RECURSION_AVAILABLE | (flag_rd ? recursionDesired : 0) | codes[code];
  const base = { type: 'response' as const, id: id ?? 0, questions, additionals: extensionsOf(additionals) };
  const whole = encode({ ...base, flags, answers, authorities });
  if (over === 'tcp' || whole.length <= sizeOf(additionals)) return whole;
  return encode({ ...base, flags: flags | truncated });
}

function sizeOf(additionals: Records): number {
  const extension = additionals.find((record) => record.type === 'OPT');
  const wanted = extension?.type === 'OPT' ? extension.udpPayloadSize : plainDatagram;
  return Math.min(Math.max(wanted, plainDatagram), largestDatagram);
}

/** A query with an extension gets an answer with one (RFC 6891, section 7). */
function extensionsOf(additionals: Records): Records {
  const extension = additionals.find((record) => record.type === 'OPT');
  if (extension?.type !== 'OPT') return [];
  const own = { type: 'OPT' as const, name: '.' as const, udpPayloadSize: largestDatagram, options: [] };
  return [{ ...own, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false }];
}
