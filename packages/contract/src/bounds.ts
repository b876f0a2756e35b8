import { z } from 'zod';

/** After so many issues a list is not read any further. */
const issuesOfList = 20;

interface ListDef extends z.core.$ZodArrayDef {
  readonly most: number;
}

/** An array of Zod that is counted before its elements are read, and given up after some issues. */
const List: z.core.$constructor<z.ZodArray, ListDef> = z.core.$constructor('List', (list, def) => {
  z.ZodArray.init(list, def);
  list._zod.parse = (payload, context) => {
    const given = payload.value;
    if (!Array.isArray(given)) {
      payload.issues.push({ expected: 'array', code: 'invalid_type', input: given, inst: list });
      return payload;
    }
    // The check of `max` comes after this and says it.
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
 * An array with at most `most` elements. Use it instead of `z.array`, which reads every element of a list that is too long
 * and collects all that is wrong with them: a few megabytes of JSON give millions of issues.
 */
export function list<T extends z.ZodType>(element: T, most: number): z.ZodArray<T> {
  return new List({ type: 'array', element, most }).max(most) as unknown as z.ZodArray<T>;
}

/** Most entries of the records that schemas describe, for what proves that each record has a bound. */
export const recordBounds = z.registry<{ readonly entries: number }>();

/** A record with at most `entries` entries. They are counted before any of them is looked at. */
export function recordOf<V extends z.ZodType>(key: z.ZodString, value: V, entries: number) {
  const record = z.record(key, value);
  recordBounds.add(record, { entries });
  return z.custom<z.input<typeof record>>((given) => hasFew(given, entries), 'has too many entries').pipe(record);
}

/** The container, a record or an object with any keys, with at most `entries` entries. */
export function bounded<T extends z.ZodType>(container: T, entries: number, message: string): T {
  const checked = container.refine((given) => hasFew(given, entries), message);
  recordBounds.add(checked, { entries });
  return checked;
}

/** Whether a value is not an object, or one with at most `most` keys. Stops counting there. */
export function hasFew(value: unknown, most: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  let count = 0;
  for (const key in value) if (Object.hasOwn(value, key) && ++count > most) return false;
  return true;
}

/** Limits of a JSON text: characters, values and depth. */
export interface JsonBounds {
  /** Characters. */
  readonly length: number;
  /** Separators of values: one less than there are values in each container. */
  readonly commas: number;
  readonly depth: number;
}

/**
 * Parses JSON text after one cheap pass over its characters, so that neither size, depth nor number of values can cost more
 * than the bounds say. Null for what exceeds them and for what is no JSON; the text `null` gives null too.
 */
export function parseBounded(text: string, bounds: JsonBounds): unknown {
  if (excessOf(text, bounds) !== null) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Which bound a JSON text exceeds, or null. Brackets and commas within strings do not count. */
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

/** Index of the quote that ends the string that begins at `start`; the end of the text when there is none. */
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

/** What the text says in a schema, or null. */
export function readBounded<T extends z.ZodType>(text: string, schema: T, bounds: JsonBounds): z.output<T> | null {
  const result = schema.safeParse(parseBounded(text, bounds));
  return result.success ? result.data : null;
}
