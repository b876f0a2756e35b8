import { z } from 'zod';

/** Number of issues after which validation of a list stops. */
const issuesOfList = 20;

interface ListDef extends z.core.$ZodArrayDef {
  readonly most: number;
}

/** Zod array that checks its length before its elements, and stops after `issuesOfList` issues. */
const List: z.core.$constructor<z.ZodArray, ListDef> = z.core.$constructor('List', (list, def) => {
  z.ZodArray.init(list, def);
  list._zod.parse = (payload, context) => {
    const given = payload.value;
    if (!Array.isArray(given)) {
      payload.issues.push({ expected: 'array', code: 'invalid_type', input: given, inst: list });
      return payload;
    }
    // The check of `max` runs afterwards and reports this.
    if (given.length > def.most) return payload;
    const elements: unknown[] = (payload.value = []);
    for (const [at, value] of given.entries()) {
      const read = def.element._zod.run({ value, issues: [] }, context);
      if (read instanceof Promise) throw new Error('lists have no asynchronous elements');
      payload.issues.push(...z.util.prefixIssues(at, read.issues));
      elements.push(read.value);
      if (payload.issues.length >= issuesOfList) break;
    }
    return payload;
  };
});

/**
 * Returns the schema of an array with at most `most` elements. Use it instead of `z.array`, which validates every element of
 * a list that is too long: a few megabytes of JSON can produce millions of issues.
 */
export function list<T extends z.ZodType>(element: T, most: number): z.ZodArray<T> {
  return new List({ type: 'array', element, most }).max(most) as unknown as z.ZodArray<T>;
}

/** Maximum number of entries of each bounded record schema. A test uses it to prove that each record has a bound. */
export const recordBounds = z.registry<{ readonly entries: number }>();

/** Returns the schema of a record with at most `entries` entries. It counts the entries before it validates any. */
export function recordOf<V extends z.ZodType>(key: z.ZodString, value: V, entries: number) {
  const record = z.record(key, value);
  recordBounds.add(record, { entries });
  return z.custom<z.input<typeof record>>((given) => hasFew(given, entries), 'has too many entries').pipe(record);
}

/** Limits a record, or an object with arbitrary keys, to `entries` entries. */
export function bounded<T extends z.ZodType>(container: T, entries: number, message: string): T {
  const checked = container.refine((given) => hasFew(given, entries), message);
  recordBounds.add(checked, { entries });
  return checked;
}

/** Returns whether a value has at most `most` keys. Values that are not objects have none. Counting stops at the limit. */
export function hasFew(value: unknown, most: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  let count = 0;
  for (const key in value) if (Object.hasOwn(value, key) && ++count > most) return false;
  return true;
}

/** Limits of a JSON text: characters, values and depth. */
export interface JsonBounds {
  /** Maximum length in characters. */
  readonly length: number;
  /** Maximum number of commas between values. */
  readonly commas: number;
  readonly depth: number;
}

/**
 * Parses JSON text within bounds. One cheap pass over the characters checks size, depth and number of values first.
 * Returns null for text that exceeds the bounds, for invalid JSON, and for the text `null`.
 */
export function parseBounded(text: string, bounds: JsonBounds): unknown {
  if (excessOf(text, bounds) !== null) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Returns the bound that a JSON text exceeds, or null. Brackets and commas within strings do not count. */
export function excessOf(text: string, bounds: JsonBounds): keyof JsonBounds | null {
  if (text.length > bounds.length) return 'length';
  let [depth, commas] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) at = endOfString(text, at);
    else if (code === comma && ++commas > bounds.commas) return 'commas';
    else if (code === openBrace || code === openBracket) {
      if (++depth > bounds.depth) return 'depth';
    } else if (code === closeBrace || code === closeBracket) depth--;
  }
  return null;
}

/** Returns the index of the closing quote of the string at `start`, or the length of the text if there is none. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === backslash) slashes++;
    if (slashes % 2 === 0) return at;
  }
  return text.length;
}

const [quote, comma, backslash] = [0x22, 0x2c, 0x5c];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];

/** Parses JSON text within bounds and validates it. Returns null when either fails. */
export function readBounded<T extends z.ZodType>(text: string, schema: T, bounds: JsonBounds): z.output<T> | null {
  const result = schema.safeParse(parseBounded(text, bounds));
  return result.success ? result.data : null;
}
