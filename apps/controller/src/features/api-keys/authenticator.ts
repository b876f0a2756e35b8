import { rightsOfKey } from '@sallyport/contract';
import { runCompiled } from '../../db/compiled.ts';
import { latest } from '../../db/latest.ts';
import { JoinedLookUps } from '../../db/look-ups.ts';
import type { Row } from '../../db/schema.ts';
import { unscoped } from '../../db/scoped.ts';
import { isShared, noticeRead } from '../../db/shared.ts';
import type { Store, Tx } from '../../db/store.ts';
import { inTransaction } from '../../db/transactions.ts';
import type { KeyAuthenticator } from '../../http/auth.ts';
import type { Caller } from '../../http/handlers.ts';
import { hashKey } from '../../objects/api-keys/keys.ts';

interface Known {
  readonly caller: Caller;
  readonly expiresAt: number | null;
  /** Revision of the tenant at which the key was as it is here. */
  revision: number;
}

/** Most keys that are remembered: those that were looked up last. */
const rememberedKeys = 100_000;

/**
 * Finds callers by API key. In the embedded database, keys are looked up once and remembered until a commit changes them.
 * In PostgreSQL, another replica may change them, so each request looks its key up: a write under the lock of the tenant,
 * with its first questions, and everything else before. Times of use are written later.
 */
export class ApiKeyAuthenticator implements KeyAuthenticator {
  readonly #store: Store;
  readonly #remembers: boolean;
  readonly #known = new Map<string, Known>();
  /** The hashes of keys by the callers that they belonged to. */
  readonly #hashes = new WeakMap<Caller, string>();
  readonly #lookUps = new JoinedLookUps<string, Known>((hashes) => this.#lookUp(hashes), keysPerQuery);
  #used = new Map<string, number>();

  constructor(store: Store) {
    this.#store = store;
    this.#remembers = !isShared(store);
  }

  async authenticate(key: string): Promise<Caller | null> {
    if (key.length > longestKey) return null;
    const hash = hashKey(key);
    const known = this.#remembered(hash) ?? (await this.#lookUps.find(hash));
    const now = this.#store.now();
    if (known === null || hasExpired(known.expiresAt, now)) return null;
    this.#used.set(known.caller.actor.id, now);
    return known.caller;
  }

  guess(key: string): Caller | null {
    if (this.#remembers || key.length > longestKey) return null;
    const known = this.#known.get(hashKey(key));
    const now = this.#store.now();
    if (known === undefined || hasExpired(known.expiresAt, now)) return null;
    this.#used.set(known.caller.actor.id, now);
    return known.caller;
  }

  async confirm(tx: Tx, guess: Caller): Promise<boolean> {
    const hash = this.#hashes.get(guess) ?? '';
    const name = `API key ${hash}`;
    const known = tx.known<Promise<KeyRow | undefined>>(name);
    const asked = known ?? this.#underLock(tx, hash);
    // Kept at once: whatever the work writes makes the transaction forget it.
    if (known === undefined) tx.know(name, asked);
    const row = await asked;
    const isRight = row !== undefined && !hasExpired(row.expires_at, tx.now) && isOf(row, guess);
    if (!isRight) this.#known.delete(hash);
    return isRight;
  }

  async #underLock({ scoped, tenant }: Tx, hash: string): Promise<KeyRow | undefined> {
    const [row] = await scoped.run('find API key', [tenant, hash], () =>
      scoped.selectFrom('api_keys').select(['id', 'name', 'role', 'expires_at']).where('hash', '=', hash).compile(),
    );
    return row;
  }

  /** Last use of a key that is not written yet. */
  lastUsed(keyId: string): number | null {
    return this.#used.get(keyId) ?? null;
  }

  /** Writes when keys were used. This takes no revision, because no decision depends on it. */
  async flush(): Promise<void> {
    const used = this.#used;
    if (used.size === 0) return;
    this.#used = new Map();
    const db = unscoped(this.#store.db, 'moments of use of all tenants are written together');
    await inTransaction(db, async (trx) => {
      // Every replica writes in this order, so that two of them never wait for each other.
      for (const [id, at] of [...used].sort(([a], [b]) => (a < b ? -1 : 1)))
        await trx
          .updateTable('api_keys')
          .set((eb) => ({ last_used_at: latest(eb.ref('last_used_at'), eb.val(at)) }))
          .where('id', '=', id)
          .execute();
    });
  }

  /** Follows the log up to the present, so that a change of a key counts from its commit on. */
  #remembered(hash: string): Known | null {
    const known = this.#remembers ? this.#known.get(hash) : undefined;
    if (known === undefined) return null;
    const news = this.#store.log.recent(known.caller.tenant, known.revision);
    if (news?.some(({ changes }) => changes.some(({ kind }) => kind === 'api-key')) === false) {
      known.revision = news.at(-1)?.revision ?? known.revision;
      return known;
    }
    this.#known.delete(hash);
    return null;
  }

  async #lookUp(hashes: readonly string[]): Promise<ReadonlyMap<string, Known>> {
    const db = unscoped(this.#store.db, 'the key tells which tenant calls');
    const { rows } = await runCompiled(db, `find ${hashes.length} API keys`, hashes, () =>
      db
        .selectFrom('api_keys')
        .innerJoin('tenants', 'tenants.id', 'api_keys.tenant_id')
        .select(['api_keys.id', 'api_keys.tenant_id', 'api_keys.name', 'api_keys.role', 'api_keys.expires_at'])
        .select(['api_keys.hash', 'tenants.revision'])
        .where('api_keys.hash', 'in', hashes)
        .compile(),
    );
    return new Map(rows.map((row) => [row.hash, this.#found(row)]));
  }

  #found(row: FoundKey): Known {
    noticeRead(this.#store, row.tenant_id, row.revision);
    const caller = {
      tenant: row.tenant_id,
      actor: { kind: 'api-key', id: row.id, name: row.name } as const,
      role: row.role,
      rights: rightsOfKey(row.role),
      session: null,
    };
    const known = { caller, expiresAt: row.expires_at, revision: row.revision };
    this.#hashes.set(caller, row.hash);
    this.#known.set(row.hash, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > rememberedKeys && oldest !== undefined) this.#known.delete(oldest);
    return known;
  }
}

type KeyRow = Pick<Row<'api_keys'>, 'id' | 'name' | 'role' | 'expires_at'>;
type FoundKey = KeyRow & Pick<Row<'api_keys'>, 'tenant_id' | 'hash'> & { readonly revision: number };

const hasExpired = (expiresAt: number | null, now: number): boolean => expiresAt !== null && expiresAt <= now;

const isOf = ({ id, name, role }: KeyRow, caller: Caller): boolean =>
  id === caller.actor.id && name === caller.actor.name && role === caller.role;

/** Most keys of one query. The number of texts is bounded too. */
const keysPerQuery = 16;

/** Longer than any valid key, so that longer input is not hashed. */
const longestKey = 512;
