import { sourcesOf } from '../../channel/source-limits.ts';
import { unscoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { inTransaction } from '../../db/transactions.ts';
import { ApiError } from '../../errors.ts';
import type { SecretBox } from '../../secrets/box.ts';

/** How often an account, and a source, may try within a window of milliseconds. */
export interface AttemptLimits {
  /** Tells windows of one kind from those of another. */
  readonly kind: 'guesses' | 'forgotten';
  readonly account: number;
  readonly source: number;
  readonly windowMs: number;
  /** Told to who has tried too often. */
  readonly text: string;
}

/** Failed passwords and codes. */
export const guessLimits: AttemptLimits = {
  kind: 'guesses',
  account: 10,
  source: 50,
  windowMs: 15 * 60_000,
  text: 'Too many attempts failed',
};

/** Requests for a new password. They count whether the account exists or not. */
export const forgottenLimits: AttemptLimits = {
  kind: 'forgotten',
  account: 3,
  source: 20,
  windowMs: 60 * 60_000,
  text: 'A new password was asked for too often',
};

/** Who tries to sign in. */
export interface Attempt {
  /** Tenant and account, also of one that does not exist. */
  readonly account: string;
  /** Null where the source is not known: then only the account counts. */
  readonly source: string | null;
}

/** A guess under way. */
export interface Guess {
  /** Whether it is the first of the account within the window. */
  readonly first: boolean;
  /** To be called when the guess was wrong: then it counts. */
  readonly wrong: () => void;
}

/**
 * Bounds how often passwords and codes may be guessed, for each account and each source. The counts are in the database,
 * so that all replicas count together. A guess counts before it is looked at. Guesses at several replicas at once are
 * therefore no more than at one.
 */
export class GuessLimits {
  readonly #store: Store;
  readonly #box: Pick<SecretBox, 'keyedHash'>;
  readonly #limits: AttemptLimits;

  constructor(store: Store, box: Pick<SecretBox, 'keyedHash'>, limits: AttemptLimits = guessLimits) {
    this.#store = store;
    this.#box = box;
    this.#limits = limits;
  }

  /** Throws `rate_limited` when the account or the source has failed too often. Counts nothing. */
  async check(attempt: Attempt): Promise<void> {
    const keys = this.#keysOf(attempt);
    const names = keys.map(({ key }) => key);
    const rows = await this.#db.selectFrom('guess_windows').selectAll().where('key', 'in', names).execute();
    for (const row of rows) this.#refuse(row, limitOf(keys, row.key) - 1);
  }

  /** Counts a failure. Returns whether it is the first of the account within the window. */
  async failed(attempt: Attempt): Promise<boolean> {
    const keys = this.#keysOf(attempt);
    const rows = await this.#count(keys);
    return rows.find(({ key }) => key === keys[0]?.key)?.failures === 1;
  }

  /** Checks and counts at once. Returns what `failed` does. Throws `rate_limited`. */
  async count(attempt: Attempt): Promise<boolean> {
    // Who is refused already costs a read, and no write.
    await this.check(attempt);
    const keys = this.#keysOf(attempt);
    const rows = await this.#count(keys);
    for (const row of rows) this.#refuse(row, limitOf(keys, row.key));
    return rows.find(({ key }) => key === keys[0]?.key)?.failures === 1;
  }

  /** Counts a guess before `work` looks at it, and takes that back unless it was wrong. Throws `rate_limited`. */
  async guard<T>(attempt: Attempt, work: (guess: Guess) => Promise<T>): Promise<T> {
    const first = await this.count(attempt);
    let isWrong = false;
    try {
      return await work({
        first,
        wrong: () => {
          isWrong = true;
        },
      });
    } finally {
      if (!isWrong) await this.#takeBack(attempt);
    }
  }

  /** Forgets the failures of the account: the person has signed in. Those of the source stay. */
  async succeeded(attempt: Attempt): Promise<void> {
    const [account] = this.#keysOf(attempt);
    await this.#db
      .deleteFrom('guess_windows')
      .where('key', '=', account?.key ?? '')
      .execute();
  }

  #refuse({ failures, ends_at }: { failures: number; ends_at: number }, most: number): void {
    const now = this.#store.now();
    if (ends_at > now && failures > most)
      throw new ApiError('rate_limited', this.#limits.text, [], Math.ceil((ends_at - now) / 1000));
  }

  #count(keys: readonly LimitedKey[]) {
    const now = this.#store.now();
    const row = { ends_at: now + this.#limits.windowMs, failures: 1 };
    return (
      this.#db
        .insertInto('guess_windows')
        // In the same order everywhere, so that two replicas never wait for each other.
        .values(keys.map(({ key }) => ({ key, ...row })).sort((a, b) => (a.key < b.key ? -1 : 1)))
        .onConflict((conflict) =>
          conflict.column('key').doUpdateSet((eb) => {
            const over = eb('guess_windows.ends_at', '<=', now);
            return {
              failures: eb
                .case()
                .when(over)
                .then(1)
                .else(eb('guess_windows.failures', '+', 1))
                .end(),
              ends_at: eb
                .case()
                .when(over)
                .then(eb.ref('excluded.ends_at'))
                .else(eb.ref('guess_windows.ends_at'))
                .end(),
            };
          }),
        )
        .returningAll()
        .execute()
    );
  }

  async #takeBack(attempt: Attempt): Promise<void> {
    await inTransaction(this.#db, async (trx) => {
      for (const { key } of this.#keysOf(attempt).sort((a, b) => (a.key < b.key ? -1 : 1)))
        await trx
          .updateTable('guess_windows')
          .set((eb) => ({ failures: eb('failures', '-', 1) }))
          .where('key', '=', key)
          .where('failures', '>', 0)
          .execute();
    });
  }

  /** The account first. The wider networks around an IPv6 source may each try four times as often as the one in it. */
  #keysOf({ account, source }: Attempt): LimitedKey[] {
    const { kind, account: perAccount, source: perSource } = this.#limits;
    const key = (text: string) => this.#box.keyedHash(`${kind} ${text}`);
    return [
      { key: key(`account ${account}`), most: perAccount },
      ...(source === null ? [] : sourcesOf(source)).map((network, width) => ({
        key: key(`source ${network}`),
        most: perSource * 4 ** width,
      })),
    ];
  }

  get #db() {
    return unscoped(this.#store.db, 'guesses are counted by account and source, also those that are in no tenant');
  }
}

interface LimitedKey {
  readonly key: string;
  readonly most: number;
}

const limitOf = (keys: readonly LimitedKey[], name: string): number =>
  keys.find(({ key }) => key === name)?.most ?? Number.POSITIVE_INFINITY;
