import { createHash } from 'node:crypto';
import { decodeJson, encodeJson } from '../../db/json.ts';
import { ApiError } from '../../errors.ts';
import type { SecretBox } from '../../secrets/box.ts';

/** How long a person has to finish, milliseconds. */
const lifeMs = 5 * 60 * 1000;
/** Finished attempts that are remembered at once, so that none is finished twice. */
const remembered = 100_000;
const purpose = 'sign-in attempt';

/**
 * Actions that one request begins and another finishes: passkey challenges, offered authenticator secrets. What was begun
 * travels sealed with the client, so a stranger who begins many cannot push out those of others. Each is good once.
 */
export class Attempts<T extends object> {
  readonly #box: Pick<SecretBox, 'seal' | 'open'>;
  readonly #now: () => number;
  /** Hashes of finished attempts and when each would have ended, oldest first. */
  readonly #finished = new Map<string, number>();

  constructor(box: Pick<SecretBox, 'seal' | 'open'>, now: () => number) {
    this.#box = box;
    this.#now = now;
  }

  /** Returns the text to finish the attempt with, within five minutes. */
  begin(value: T): string {
    return this.#box.seal(encodeJson({ value, endsAt: this.#now() + lifeMs }), purpose);
  }

  /** Returns what was begun. Throws `sign_in_failed` when the text is forged, finished or too old. */
  finish(text: string): T {
    const { value, endsAt } = this.#opened(text);
    const hash = createHash('sha256').update(text).digest('base64');
    if (endsAt <= this.#now() || this.#finished.has(hash)) throw refused();
    this.#forgetOld();
    this.#finished.set(hash, endsAt);
    return value;
  }

  #opened(text: string): { value: T; endsAt: number } {
    try {
      return decodeJson(this.#box.open(text, purpose));
    } catch {
      throw refused();
    }
  }

  #forgetOld(): void {
    for (const [hash, endsAt] of this.#finished) {
      if (endsAt > this.#now() && this.#finished.size < remembered) return;
      this.#finished.delete(hash);
    }
  }
}

const refused = (): ApiError =>
  new ApiError('sign_in_failed', 'It took longer than five minutes, or was finished already: begin again');
