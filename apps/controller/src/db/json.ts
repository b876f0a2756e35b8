/** The one codec for JSON kept in text columns. */
export const encodeJson = (value: unknown): string => JSON.stringify(value);

/** The caller names the type. Only this program writes these rows. */
export const decodeJson = <T>(text: string): T => JSON.parse(text) as T;

/** Returns a boolean as the database stores it. */
export const bit = (value: boolean): number => (value ? 1 : 0);
