import { randomBytes } from 'node:crypto';
import { ApiError } from '../../errors.ts';

const lifeMs = 5 * 60 * 1000;
const atOnce = 10_000;

/** Things that were begun and are finished by a second request: passkey challenges, offered TOTP secrets. Each is good once. */
export class Attempts<T> {
  readonly #now: () => number;
  readonly #open = new Map<string, { readonly value: T; readonly endsAt: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Remembers a value for five minutes. Returns the name to finish it by. */
  begin(value: T): string {
    for (const [name, { endsAt }] of this.#open) {
      if (endsAt > this.#now() && this.#open.size < atOnce) break;
      this.#open.delete(name);
    }
    const name = randomBytes(18).toString('base64url');
    this.#open.set(name, { value, endsAt: this.#now() + lifeMs });
    return name;
  }

  /** Returns the value and forgets it. Throws when it is unknown, used or too old. */
  finish(name: string): T {
    const found = this.#open.get(name);
    this.#open.delete(name);
    if (found === undefined || found.endsAt <= this.#now())
      throw new ApiError('sign_in_failed', 'It took longer than five minutes, or was finished already: begin again');
    return found.value;
  }
}
