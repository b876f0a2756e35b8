import { hash, randomBytes, randomUUIDv7 } from 'node:crypto';
import { type RoleType, rightsOfRole, type Session } from '@sallyport/contract';
import type { ExpressionBuilder } from 'kysely';
import { runCompiled } from '../../db/compiled.ts';
import { latest } from '../../db/latest.ts';
import type { Database, Row } from '../../db/schema.ts';
import { type Scoped, scoped, unscoped } from '../../db/scoped.ts';
import { noticeRead } from '../../db/shared.ts';
import type { Store, Tx } from '../../db/store.ts';
import { inTransaction } from '../../db/transactions.ts';
import type { SessionAuthenticator } from '../../http/auth.ts';
import type { Caller, NewSession } from '../../http/handlers.ts';
import { unconfirmedMs } from '../providers/grants.ts';
import { roleInForce } from '../users/role-in-force.ts';
import { settingsRow, signInSettings } from './settings.ts';

/** A session as the database holds it. */
export type SessionRow = Row<'sessions'>;

/** How long a sign-in counts as fresh, milliseconds. */
export const freshMs = 10 * 60 * 1000;
/** Sessions that a user may have at once. The one that was used least lately ends first. */
const sessionsPerUser = 50;
/** Moments of use are written when they are older than this, so that reading a page writes nothing. */
const seenStepMs = 60_000;

/** How a session begins. */
export interface SessionStart {
  readonly user: string;
  readonly method: Session['method'];
  readonly userAgent: string;
  readonly sourceIp: string;
  /** Maximum duration of a session, milliseconds, from the last proof of a factor. */
  readonly lifeMs: number;
  /** When the person proved a factor, epoch milliseconds. Default: now. */
  readonly provenAt?: number;
  /** What the session ends with, when it comes from a provider. */
  readonly grant?: string | null;
}

/** Begins a session. The token is in the answer only: what stays is its SHA-256. */
export async function beginSession(
  tx: Tx,
  start: SessionStart,
): Promise<NewSession & { readonly id: string; readonly expiresAt: number }> {
  const token = `sps_${randomBytes(32).toString('base64url')}`;
  const provenAt = start.provenAt ?? tx.now;
  const row = {
    id: randomUUIDv7(),
    user_id: start.user,
    token_hash: hashOf(token),
    created_at: provenAt,
    seen_at: tx.now,
    expires_at: provenAt + start.lifeMs,
    method: start.method,
    client: start.userAgent,
    source_ip: start.sourceIp,
    grant_id: start.grant ?? null,
  };
  await endLeastUsed(tx, start.user);
  await tx.scoped.insertInto('sessions', row).execute();
  return { id: row.id, token, expiresAt: row.expires_at, maxAgeSeconds: Math.floor(start.lifeMs / 1000) };
}

async function endLeastUsed(tx: Tx, user: string): Promise<void> {
  const spare = await tx.scoped
    .selectFrom('sessions')
    .select('id')
    .where('user_id', '=', user)
    .orderBy('seen_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1000)
    .offset(sessionsPerUser - 1)
    .execute();
  for (const { id } of spare) await endSession(tx, id);
}

/** Returns a session that has not reached its limit, or undefined. */
export const liveSession = (tx: Tx, id: string): Promise<SessionRow | undefined> =>
  tx.scoped
    .selectFrom('sessions')
    .selectAll()
    .where('id', '=', id)
    .where('expires_at', '>', tx.now)
    .where((eb) => eb.or([eb('grant_id', 'is', null), eb('grant_id', 'in', confirmed(eb, tx.now))]))
    .executeTakeFirst();

/** Ends a session. */
export async function endSession(tx: Tx, id: string): Promise<void> {
  await tx.scoped.deleteFrom('sessions').where('id', '=', id).execute();
  tx.rightsChanged();
}

/** Ends the sessions of a user, all or all but one. */
export async function endSessionsOf(tx: Tx, user: string, except: string | null = null): Promise<void> {
  const sessions = tx.scoped.deleteFrom('sessions').where('user_id', '=', user);
  await (except === null ? sessions : sessions.where('id', '<>', except)).execute();
  tx.rightsChanged();
}

/** Sessions of a user that have not ended, the one used last first. */
export async function sessionsOf(db: Scoped, user: string, now: number): Promise<SessionRow[]> {
  const settings = signInSettings(await settingsRow(db));
  return db
    .selectFrom('sessions')
    .selectAll()
    .where('user_id', '=', user)
    .where('expires_at', '>', now)
    .where('seen_at', '>', now - settings.idleMinutes * 60_000)
    .where((eb) => eb.or([eb('grant_id', 'is', null), eb('grant_id', 'in', confirmed(eb, now))]))
    .orderBy('seen_at', 'desc')
    .orderBy('id')
    .execute();
}

const confirmed = (eb: ExpressionBuilder<Database, 'sessions'>, now: number) =>
  eb
    .selectFrom('provider_grants')
    .select('provider_grants.id')
    .where('provider_grants.checked_at', '>', now - unconfirmedMs);

/** Returns a session in the form of answers. */
export const sessionView = (row: SessionRow, current: string | null): Session => ({
  id: row.id,
  createdAt: iso(row.created_at),
  lastSeenAt: iso(row.seen_at),
  expiresAt: iso(row.expires_at),
  method: row.method,
  client: row.client,
  ...(row.source_ip === null ? {} : { sourceIp: row.source_ip }),
  current: row.id === current,
});

const iso = (at: number): string => new Date(at).toISOString();

/**
 * Finds the person of a session token. Session, user and roles are read for every request, so that a changed role, a
 * deactivation and a sign-out count at once. Moments of use are written behind: they are worth no transaction each.
 */
export class Sessions implements SessionAuthenticator {
  readonly #store: Store;
  readonly #seen = new Map<string, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  async bySession(token: string, renew: boolean): Promise<Caller | null> {
    if (token.length > longestToken) return null;
    const row = await this.#find(hashOf(token));
    if (row === undefined) return null;
    noticeRead(this.#store, row.tenant_id, row.revision);
    if (row.status === 'DEACTIVATED') return null;
    const now = this.#store.now();
    const seen = Math.max(row.seen_at, this.#seen.get(row.id) ?? 0);
    const { idleMinutes } = signInSettings(row);
    if (row.checked_at !== null && row.checked_at + unconfirmedMs <= now) return null;
    if (row.expires_at <= now || seen + idleMinutes * 60_000 <= now) return null;
    if (renew && seen + seenStepMs <= now) this.#seen.set(row.id, now);
    const role = await roleInForce(scoped(this.#store.db, row.tenant_id), row.user_id, row.is_owner === 1);
    return callerOf(row, role);
  }

  /** Writes the moments of use, and drops sessions and links that have ended. These are no revisions. */
  async flush(): Promise<void> {
    const seen = [...this.#seen];
    this.#seen.clear();
    const now = this.#store.now();
    const db = unscoped(this.#store.db, 'moments of use of all tenants are written together');
    await inTransaction(db, async (trx) => {
      // Every replica writes in this order, so that two of them never wait for each other.
      for (const [id, at] of seen.sort(([a], [b]) => (a < b ? -1 : 1)))
        await trx
          .updateTable('sessions')
          .set((eb) => ({ seen_at: latest(eb.ref('seen_at'), eb.val(at)) }))
          .where('id', '=', id)
          .execute();
      await trx.deleteFrom('sessions').where('expires_at', '<=', now).execute();
      await trx.deleteFrom('sign_in_links').where('expires_at', '<=', now).execute();
      await trx.deleteFrom('provider_logouts').where('expires_at', '<=', now).execute();
      // A refresh token is not kept longer than the sessions that it confirms.
      const used = trx.selectFrom('sessions').select('grant_id').where('grant_id', 'is not', null);
      await trx.deleteFrom('provider_grants').where('id', 'not in', used).execute();
    });
  }

  async #find(hash: string) {
    const db = unscoped(this.#store.db, 'the session tells which tenant calls');
    const { rows } = await runCompiled(db, 'find session', [hash], () =>
      db
        .selectFrom('sessions')
        .innerJoin('users', 'users.id', 'sessions.user_id')
        .innerJoin('tenants', 'tenants.id', 'sessions.tenant_id')
        .leftJoin('provider_grants', 'provider_grants.id', 'sessions.grant_id')
        .select(['sessions.id', 'sessions.tenant_id', 'sessions.user_id', 'sessions.created_at', 'sessions.seen_at'])
        .select(['sessions.expires_at', 'users.email', 'users.status', 'users.is_owner'])
        .select(['tenants.slug', 'tenants.sign_in', 'tenants.name', 'tenants.revision', 'provider_grants.checked_at'])
        .where('sessions.token_hash', '=', hash)
        .compile(),
    );
    return rows[0];
  }
}

interface FoundSession {
  readonly id: string;
  readonly tenant_id: string;
  readonly user_id: string;
  readonly created_at: number;
  readonly expires_at: number;
  readonly email: string;
}

const callerOf = (row: FoundSession, role: RoleType): Caller => ({
  tenant: row.tenant_id,
  actor: { kind: 'user', id: row.user_id, name: row.email },
  role,
  rights: rightsOfRole[role],
  session: { id: row.id, expiresAt: row.expires_at, freshUntil: row.created_at + freshMs },
});

/** Longer than any token; hashing more is work for nothing. */
const longestToken = 100;

const hashOf = (token: string): string => hash('sha256', token);
