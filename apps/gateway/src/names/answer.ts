import { AUTHORITATIVE_ANSWER, type DecodedPacket, decode, encode, RECURSION_AVAILABLE } from 'dns-packet';
import type { NewNameCode } from './new-names.ts';
import type { NameState } from './resolver.ts';
import { canonical } from './upstream.ts';

/** Dependencies of an answer. */
export interface AnswerParts {
  /** Obtains a name that only a wildcard covers. Returns why it has no address, or null when there is nothing to wait for. */
  readonly obtain: (source: string, name: string) => Promise<NewNameCode | null>;
  /** Returns whether the device at an address may reach the name. */
  readonly mayAsk: (source: string, name: string) => boolean;
  /** Returns the virtual addresses of a name. */
  readonly virtual: (name: string) => readonly string[];
  /** Answers about a name of no resource. Null or absent: such names are refused. */
  readonly forward?: (packet: DecodedPacket, name: string) => Promise<Buffer | null> | null;
  readonly lookUp: (name: string) => Promise<NameState | undefined>;
}

const codes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
type Code = keyof typeof codes;

/** Seconds. A virtual address is stable; only the families that a name has may change. */
const answerTtl = 60;
/** A browser asks for this name to learn whether it may resolve names elsewhere. */
const canary = 'use-application-dns.net';

/**
 * Answers a query with the virtual addresses of a name, in the families in which it has real ones. Any other type gets
 * no data: a record of another type could name real addresses. Null: no query, so it gets no answer.
 */
export async function answerQuery(query: Buffer, source: string, parts: AnswerParts): Promise<Buffer | null> {
  let packet: DecodedPacket;
  try {
    packet = decode(query);
  } catch {
    return null;
  }
  if (packet.type !== 'query') return null;
  const [question, more] = packet.questions ?? [];
  // The answer repeats the question, so that must be text that can be written again.
  if (question === undefined || more !== undefined || !isPlain(question.name))
    return reply({ ...packet, questions: [] }, 'FORMERR');
  if ((packet as { opcode?: string }).opcode !== 'QUERY') return reply(packet, 'NOTIMP');
  const name = canonical(question.name);
  if (name === canary) return reply(packet, 'NXDOMAIN');
  const forwarded = question.class === 'IN' ? (parts.forward?.(packet, name) ?? null) : null;
  if (forwarded !== null) return forwarded;
  const missing = question.class === 'IN' ? await parts.obtain(source, name) : null;
  if (missing !== null) return reply(packet, missing);
  if (question.class !== 'IN' || !parts.mayAsk(source, name)) return reply(packet, 'REFUSED');
  const state = await parts.lookUp(name);
  if (state === undefined) return reply(packet, 'REFUSED');
  const has = (type: 'A' | 'AAAA') => (state[type]?.addresses.length ?? 0) > 0;
  if (!has('A') && !has('AAAA'))
    return reply(packet, state.A !== null && state.AAAA !== null ? 'NXDOMAIN' : 'SERVFAIL');
  const { type } = question;
  if ((type !== 'A' && type !== 'AAAA') || !has(type)) return reply(packet, 'NOERROR');
  const addresses = parts.virtual(name).filter((address) => address.includes(':') === (type === 'AAAA'));
  return reply(
    packet,
    'NOERROR',
    addresses.map((data) => ({ type, name: question.name, ttl: answerTtl, data })),
  );
}

type Records = NonNullable<Parameters<typeof encode>[0]['answers']>;

function reply({ id, questions = [], flag_rd }: DecodedPacket, code: Code, answers: Records = []): Buffer {
  const flags = RECURSION_AVAILABLE | AUTHORITATIVE_ANSWER | (flag_rd ? recursionDesired : 0) | codes[code];
  return encode({ type: 'response', id: id ?? 0, flags, questions, answers });
}

const recursionDesired = 1 << 8;

/** Whether a name can be written as it was read. Names of resources are ASCII. */
function isPlain(name: string): boolean {
  return name.length <= 253 && /^[\x21-\x7e]+$/.test(name) && name.split('.').every((label) => label.length <= 63);
}
