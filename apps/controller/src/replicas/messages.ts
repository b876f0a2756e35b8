import { z } from 'zod';

/** What one replica sends to another. */
export interface Message {
  readonly kind: 'tell' | 'ask' | 'answer';
  readonly topic: string;
  readonly body: unknown;
  /** Names a question, and its answer, among those of the replica that asked. */
  readonly question: number;
}

const form = z.object({
  kind: z.enum(['tell', 'ask', 'answer']),
  topic: z.string(),
  body: z.unknown(),
  question: z.number().int(),
});

/** Most characters of a message. */
const longest = 64 * 1024;
/** PostgreSQL carries less than 8,000 bytes in a notification. The rest is for the head of a part. */
const partLength = 7_800;

/** Returns a message as parts that notifications can carry; null: it is too long. Everything in them is ASCII. */
export function partsOf(message: Message): string[] | null {
  const text = JSON.stringify(message).replace(/[^\x20-\x7e]/g, escaped);
  if (text.length > longest) return null;
  const count = Math.ceil(text.length / partLength);
  return Array.from({ length: count }, (_, n) => `${n}/${count} ${text.slice(n * partLength, (n + 1) * partLength)}`);
}

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Most messages of which parts are kept. */
const openMessages = 1_000;

/** Joins parts to messages. Parts of one message come in order. When one is missing, the message is dropped. */
export class Joiner {
  readonly #open = new Map<string, string[]>();

  /** Takes a part. `name` names the message among all. Returns the message when it is whole. Throws on malformed input. */
  take(name: string, part: string): Message | null {
    const [, at, of, text] = /^(\d{1,3})\/(\d{1,3}) (.*)$/.exec(part) ?? [];
    if (at === undefined || of === undefined || text === undefined) throw new Error('a part without a head');
    const parts = Number(at) === 0 ? [] : this.#open.get(name);
    this.#open.delete(name);
    if (parts === undefined || parts.length !== Number(at)) return null;
    parts.push(text);
    if (parts.length === Number(of)) return form.parse(JSON.parse(parts.join('')));
    this.#open.set(name, parts);
    const [oldest] = this.#open.keys();
    if (this.#open.size > openMessages && oldest !== undefined) this.#open.delete(oldest);
    return null;
  }
}
