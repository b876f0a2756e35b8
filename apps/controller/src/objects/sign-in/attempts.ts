import { createHash } from 'node:crypto';
import { decodeJson, encodeJson } from '../../db/json.ts';
import { unscoped } from '../../db/scoped.ts';
import { isShared } from '../../db/shared.ts';
import type { Store } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import type { SecretBox } from '../../secrets/box.ts';

/**
 * Actions that one request begins and another finishes: passkey challenges, offered authenticator secrets. What was begun
 * travels sealed with the client, so a stranger who begins many cannot push out those of others. Each is good once: the
 * database remembers those that were finished, so that this holds at every replica.
 */
export class Attempts<T extends object> {
  readonly #store: Store;
  readonly #box: Pick<SecretBox, 'seal' | 'open'>;
  readonly #purpose: string;
  readonly #lifeMs: number;
  /** Earlier attempts cannot be finished: an embedded database may have been brought back from a copy. */
  readonly #startedAt: number;

  /** `purpose` tells attempts of one kind from those of another. `minutes` is how long a person has to finish. */
  constructor(store: Store, box: Pick<SecretBox, 'seal' | 'open'>, purpose = 'sign-in attempt', minutes: 5 | 10 = 5) {
    this.#store = store;
    this.#box = box;
    this.#purpose = purpose;
    this.#lifeMs = minutes * 60_000;
    this.#startedAt = isShared(store) ? 0 : store.now();
  }

  /** Returns the text to finish the attempt with in time. */
  begin(value: T): string {
    return this.#box.seal(encodeJson({ value, endsAt: this.#store.now() + this.#lifeMs }), this.#purpose);
  }

  /** Returns what was begun. Throws `sign_in_failed` when the text is forged, finished or too old. */
  async finish(text: string): Promise<T> {
    const { value, endsAt } = this.#opened(text);
    const isEarlier = endsAt < this.#startedAt + this.#lifeMs;
    if (isEarlier || endsAt <= this.#store.now()) throw this.#refused();
    const hash = createHash('sha256').update(text).digest('base64');
    const { numInsertedOrUpdatedRows } = await unscoped(
      this.#store.db,
      'an attempt tells no tenant before it is finished',
    )
      .insertInto('finished_attempts')
      .values({ hash, ends_at: endsAt })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirstOrThrow();
    if (numInsertedOrUpdatedRows === 0n) throw this.#refused();
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
}
