/** The one codec for JSON kept in text columns. */
export const encodeJson = (value: unknown): string => JSON.stringify(value);

/** The caller names the type. Only this program writes these rows. */
export const decodeJson = <T>(text: string): T => JSON.parse(text) as T;

/** Returns labels as an object's row holds them. `present`: the value when the request names none. */
export const labelsColumn = (given: readonly string[] | null | undefined, present = '[]'): string =>
  given === undefined ? present : encodeJson(given ?? []);

/** Returns the `labels` of an answer from the column. Objects without labels have no such field. */
export const labelsField = (column: string): { labels?: string[] } =>
  column === '[]' ? {} : { labels: decodeJson<string[]>(column) };

/** Returns a boolean as the database stores it. */
export const bit = (value: boolean): number => (value ? 1 : 0);
