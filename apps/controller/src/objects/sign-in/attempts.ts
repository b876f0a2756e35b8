import { createHash } from 'node:crypto';
import { decodeJson, encodeJson } from '../../db/json.ts';
import { ApiError } from '../../errors.ts';
import type { SecretBox } from '../../secrets/box.ts';

/** Finished attempts that are remembered at once, so that none is finished twice. */
const remembered = 100_000;

/**
 * Actions that one request begins and another finishes: passkey challenges, offered authenticator secrets. What was begun
 * travels sealed with the client, so a stranger who begins many cannot push out those of others. Each is good once.
 */
export class Attempts<T extends object> {
  readonly #box: Pick<SecretBox, 'seal' | 'open'>;
  readonly #now: () => number;
  readonly #purpose: string;
  readonly #lifeMs: number;
  /** Earlier attempts cannot be finished: whether they were is forgotten. */
  readonly #startedAt: number;
  /** Hashes of finished attempts and when each would have ended, oldest first. */
  readonly #finished = new Map<string, number>();

  /** `purpose` tells attempts of one kind from those of another. `minutes` is how long a person has to finish. */
  constructor(
    box: Pick<SecretBox, 'seal' | 'open'>,
    now: () => number,
    purpose = 'sign-in attempt',
    minutes: 5 | 10 = 5,
  ) {
    this.#box = box;
    this.#now = now;
    this.#purpose = purpose;
    this.#lifeMs = minutes * 60_000;
    this.#startedAt = now();
  }

  /** Returns the text to finish the attempt with in time. */
  begin(value: T): string {
    return this.#box.seal(encodeJson({ value, endsAt: this.#now() + this.#lifeMs }), this.#purpose);
  }

  /** Returns what was begun. Throws `sign_in_failed` when the text is forged, finished or too old. */
  finish(text: string): T {
    const { value, endsAt } = this.#opened(text);
    const hash = createHash('sha256').update(text).digest('base64');
    const isEarlier = endsAt < this.#startedAt + this.#lifeMs;
    if (isEarlier || endsAt <= this.#now() || this.#finished.has(hash)) throw this.#refused();
    this.#forgetOld();
    this.#finished.set(hash, endsAt);
    return value;
  }

  #opened(text: string): { value: T; endsAt: number } {
    try {
      return decodeJson(this.#box.open(text, this.#purpose));
    } catch {
      throw this.#refused();
    }
  }

  #refused(): ApiError {
    const minutes = this.#lifeMs === 300_000 ? 'five' : 'ten';
    return new ApiError(
      'sign_in_failed',
      `It took longer than ${minutes} minutes, or was finished already: begin again`,
    );
  }

  #forgetOld(): void {
    for (const [hash, endsAt] of this.#finished) {
      if (endsAt > this.#now() && this.#finished.size < remembered) return;
      this.#finished.delete(hash);
    }
  }
}
