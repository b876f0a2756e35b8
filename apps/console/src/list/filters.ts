/** One field that a list can be filtered by. */
export interface FilterField {
  /** Name of the field in the API, and of its parameter in the address of the page. */
  readonly field: string;
  readonly label: string;
  /** The values to choose from, with their words. Left out: any text. */
  readonly choices?: Readonly<Record<string, string>>;
  /** Example of a text. */
  readonly example?: string;
  /** The whole value counts, not a part of it. */
  readonly whole?: boolean;
  /** One value only. */
  readonly single?: boolean;
  /** The API cannot exclude values of this field. */
  readonly noNot?: boolean;
}

/** One condition on a list. Several values are alternatives. */
export interface Chip {
  readonly field: string;
  readonly not: boolean;
  readonly values: readonly string[];
}

/** What the address of a page says about its list. */
export type Search = Readonly<Record<string, unknown>>;

/** Reads the conditions from the address of the page. Unknown values of choices are left out. */
export function readChips(search: Search, fields: readonly FilterField[]): Chip[] {
  return fields.flatMap(({ field, choices, noNot }) => {
    const given = search[field];
    if (given === undefined || given === '') return [];
    const text = String(given);
    const not = text.startsWith('!') && noNot !== true;
    const values = text
      .slice(text.startsWith('!') ? 1 : 0)
      .split(',')
      .map(decoded)
      .filter((value) => value !== '' && (choices === undefined || Object.hasOwn(choices, value)));
    return values.length === 0 ? [] : [{ field, not, values }];
  });
}

/** Returns the parameter of the address for a condition. Undefined removes it. */
export const written = ({ not, values }: Pick<Chip, 'not' | 'values'>): string | undefined =>
  values.length === 0 ? undefined : `${not ? '!' : ''}${values.map(encoded).join(',')}`;

const encoded = (value: string): string =>
  value.replaceAll(/[%,!]/g, (sign) => encodeURIComponent(sign).replace('!', '%21'));

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

/** Returns the parameters of the API for the conditions of a list. */
export function filterParameters(chips: readonly Chip[], fields: readonly FilterField[]): [string, string][] {
  return chips.flatMap(({ field, not, values }): [string, string][] => {
    const { choices, whole } = fields.find((one) => one.field === field) ?? {};
    if (choices !== undefined || whole === true) return [[`filter[${field}][${not ? 'nin' : 'in'}]`, values.join(',')]];
    return values.map((value): [string, string] =>
      not ? [`filter[${field}][ne]`, value] : [`filter[${field}][ilike]`, `%${value}%`],
    );
  });
}

/** Returns a condition in words: `Status is not Online or Offline`. */
export function chipWords({ field, not, values }: Chip, fields: readonly FilterField[]): string {
  const { label, choices, whole } = fields.find((one) => one.field === field) ?? { label: field };
  const words = values.map((value) => choices?.[value] ?? value).join(' or ');
  const verb = not ? 'is not' : choices !== undefined || whole === true ? 'is' : 'contains';
  return `${label} ${verb} ${words}`;
}

/** A column to sort by, and the direction. */
export interface Sort {
  readonly field: string;
  readonly down: boolean;
}

/** Reads `name` or `-name`. */
export function readSort(text: unknown, known: readonly string[]): Sort | null {
  if (typeof text !== 'string') return null;
  const field = text.replace(/^-/, '');
  return known.includes(field) ? { field, down: text.startsWith('-') } : null;
}

/** Returns `name` or `-name`. */
export const writtenSort = ({ field, down }: Sort): string => `${down ? '-' : ''}${field}`;
