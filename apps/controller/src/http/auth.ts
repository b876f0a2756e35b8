import type { Caller } from './handlers.ts';

/** Turns the value of the `apikey` header into who calls. */
export interface Authenticator {
  /** Null when the key is unknown or has expired. */
  authenticate(key: string): Promise<Caller | null>;
}
