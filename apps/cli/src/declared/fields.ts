import { canonicalPrefix } from '@sallyport/ip';
import { didYouMean } from '../text.ts';

/** Kinds of objects that others refer to. */
export type Target = 'gateways' | 'protocols' | 'resources' | 'groups' | 'users' | 'roles' | 'rules' | 'devices';

/** Converts a reference: a name of the file into a key, or a key into an id or a name. */
export type RefMap = (target: Target, text: string) => string;

/** Describes the values of a field and their form in a file. */
export interface Field<T> {
  /** The meaning of a field that a file omits: an error (required), "leave it alone", or a default value. */
  readonly absent: 'required' | 'kept' | { readonly value: T };
  /** Parses the value from the file. Throws `Misfit`. */
  read(value: unknown): T;
  /** Returns the value with its references converted. */
  refs(value: T, map: RefMap): T;
  /** Returns whether two values mean the same. */
  canonical(value: T): unknown;
  /** Returns the value in the form of a file. */
  write(value: T): unknown;
}

/** A value of the wrong kind, with its place inside the field. */
export class Misfit extends Error {
  readonly path: readonly (string | number)[];
  constructor(message: string, path: readonly (string | number)[] = []) {
    super(message);
    this.path = path;
  }
}

/** What a field of a file needs beside what its absence means. */
export type Shape<T> = Pick<Field<T>, 'read'> & Partial<Omit<Field<T>, 'absent' | 'read'>>;

const plain = {
  refs: <T>(value: T): T => value,
  canonical: (value: unknown) => value,
  write: (value: unknown) => value,
};

/** Creates a field that a file must name. */
export function required<T>(shape: Shape<T>): Field<T> {
  return { ...plain, ...shape, absent: 'required' };
}

/** Creates a field that is left alone when the file omits it. */
export function kept<T>(shape: Shape<T>): Field<T> {
  return { ...plain, ...shape, absent: 'kept' };
}

/** Creates a field with a default value. */
export function defaults<T>(shape: Shape<T>, value: T): Field<T> {
  return { ...plain, ...shape, absent: { value } };
}

/** A text. */
export const text: Shape<string> = {
  read(value) {
    if (typeof value !== 'string') throw new Misfit(`must be text, not ${kindOf(value)}; quote it`);
    return value;
  },
};

/** A text of several lines; trailing blanks do not count. */
export const block: Shape<string> = {
  read: (value) => text.read(value).trimEnd(),
  canonical: (value) => value.trimEnd(),
};

/** A truth value. */
export const flag: Shape<boolean> = {
  read(value) {
    if (typeof value !== 'boolean') throw new Misfit(`must be true or false, not ${kindOf(value)}`);
    return value;
  },
};

/** A whole number. */
export const wholeNumber: Shape<number> = {
  read(value) {
    if (!Number.isSafeInteger(value) || Number(value) < 0)
      throw new Misfit(`must be a whole number, not ${kindOf(value)}`);
    return Number(value);
  },
};

/** A port: a number in files, text on the wire. */
export const port: Shape<string> = {
  read: (value) => (typeof value === 'string' ? value : String(wholeNumber.read(value))),
  write: (value) => (/^[0-9]+$/.test(value) ? Number(value) : value),
};

/** Creates the shape of one of several words. */
export function oneOf<const W extends string>(words: readonly W[]): Shape<W> {
  return {
    read(value) {
      const word = words.find((known) => known === value);
      if (word === undefined) throw new Misfit(`must be one of ${words.join(', ')}, not ${kindOf(value)}`);
      return word;
    },
  };
}

/** Creates the shape that also accepts null. */
export function orNull<T>(shape: Shape<T>): Shape<T | null> {
  const { canonical = plain.canonical, write = plain.write } = shape;
  return {
    read: (value) => (value === null ? null : shape.read(value)),
    canonical: (value) => (value === null ? null : canonical(value)),
    write: (value) => (value === null ? null : write(value)),
  };
}

/** A list of texts; their order does not count. */
export const texts: Shape<string[]> = {
  read: (value) => list(value, text.read),
  canonical: (value) => value.toSorted(),
};

/** Labels: their order and letter case do not count, and a repetition has no effect. */
export const labels: Shape<string[]> = {
  read: texts.read,
  canonical: (value) => [...new Set(value.map((label) => label.toLowerCase()))].toSorted(),
};

/** Addresses and ranges, in any spelling and order. */
export const prefixes: Shape<string[]> = {
  read: texts.read,
  canonical: (value) => value.map((entry) => canonicalPrefix(entry) ?? entry).toSorted(),
};

/** Creates the shape of references by name or id. Their order counts only when `ordered`. */
export function refs(target: Target, { ordered = false } = {}): Shape<string[]> {
  return {
    read: texts.read,
    refs: (value, map) => value.map((entry) => map(target, entry)),
    canonical: (value) => (ordered ? value : value.toSorted()),
  };
}

/** Creates the shape of one reference by name or id. */
export function ref(target: Target): Shape<string> {
  return { read: text.read, refs: (value, map) => (value === '' ? '' : map(target, value)) };
}

/** Creates the shape of `all`, or references. */
export function allOr(target: Target): Shape<'all' | string[]> {
  const some = refs(target);
  return {
    read: (value) => {
      if (value === 'all') return 'all';
      if (!Array.isArray(value)) throw new Misfit(`must be all or a list, not ${kindOf(value)}`);
      return some.read(value);
    },
    refs: (value, map) => (value === 'all' ? value : value.map((entry) => map(target, entry))),
    canonical: (value) => (value === 'all' ? value : value.toSorted()),
  };
}

/** Parses a list with `read` for each entry. */
export function list<T>(value: unknown, read: (entry: unknown) => T): T[] {
  if (!Array.isArray(value)) throw new Misfit(`must be a list, not ${kindOf(value)}`);
  return value.map((entry, index) => within(index, () => read(entry)));
}

/** Runs `work`, and prefixes the path of a misfit with `step`. */
export function within<T>(step: string | number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof Misfit ? new Misfit(error.message, [step, ...error.path]) : error;
  }
}

/** Returns the message about an unknown key of a map. */
export function unknown(key: string, known: readonly string[]): string {
  const like = didYouMean(key, known);
  return like === undefined ? `is unknown; known keys: ${known.join(', ')}` : `is unknown. ${like}`;
}

/** Parses a map with known keys. */
export function record(value: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw new Misfit(`must be a map of names and values, not ${kindOf(value)}`);
  for (const key of Object.keys(value)) if (!known.includes(key)) throw new Misfit(unknown(key, known), [key]);
  return value;
}

/** Returns whether a value is a map of names and values. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns whether a value is not undefined. */
export function isGiven<T>(value: T): value is Exclude<T, undefined> {
  return value !== undefined;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a map' : JSON.stringify(value);
}
