import { bySystem } from '../db/contexts.ts';
import type { StillRunner } from '../db/jobs.ts';
import { scoped, unscoped } from '../db/scoped.ts';
import type { Store } from '../db/store.ts';
import type { Outbox } from '../objects/mail/outbox.ts';
import type { MailRow } from '../objects/mail/views.ts';
import { linkUrl } from '../objects/sign-in/links.ts';
import { signInPlace } from '../objects/sign-in/place.ts';
import { settingsRow } from '../objects/sign-in/settings.ts';
import { findUser } from '../objects/users/queries.ts';
import { writeLetter } from './letters.ts';
import { asMailFailure, type Letter, type MailFailure, type MailServer } from './mail-server.ts';

/** What the postman needs. */
export interface PostmanDeps {
  readonly store: Store;
  readonly outbox: Outbox;
  readonly server: MailServer;
  /** Domain of the identifiers of mails. */
  readonly domain: string;
  readonly signInUrl: () => string;
  /** Told after each try whether the mail server could be used: why not, or null. */
  readonly problemChanged: (problem: string | null) => void;
  /** Told of each try that failed. */
  readonly failed: (failure: MailFailure) => void;
}

/** Minutes between the tries of one mail. The last one repeats. */
const retryMinutes = [1, 5, 15, 60, 180];
/** Milliseconds without a try after the server could not be used, doubled with each failure. */
const pauseMs = { first: 15_000, longest: 10 * 60_000 } as const;
/** Mails read at once. */
const batch = 20;

/**
 * Sends the mails of the outbox, one after another. A mail leaves at least once: a controller that dies between the
 * server's yes and its own note sends it again, with the same identifier.
 */
export class Postman {
  readonly #deps: PostmanDeps;
  #pausedUntil = 0;
  #pause: number = pauseMs.first;
  readonly #stopping = new AbortController();

  constructor(deps: PostmanDeps) {
    this.#deps = deps;
  }

  /** Ends the try under way. */
  stop(): void {
    this.#stopping.abort();
  }

  /**
   * Sends what is due. One call at a time. `still`: rejects when another replica may have begun to send. Rejects only then,
   * and when the database fails.
   */
  async deliverDue(still: StillRunner): Promise<void> {
    while (!this.#resting()) {
      const due = await this.#due();
      if (due.length === 0) return;
      for (const mail of due) {
        if (this.#resting()) return;
        await this.#deliver(mail, still);
      }
    }
  }

  #resting(): boolean {
    return this.#stopping.signal.aborted || this.#deps.store.now() < this.#pausedUntil;
  }

  /** The next mails, those of tenants in turns: a tenant with many does not keep the others waiting. */
  #due(): Promise<MailRow[]> {
    const { store } = this.#deps;
    const db = unscoped(store.db, 'the mails of all tenants leave through one server');
    const waiting = db
      .selectFrom('mails')
      .selectAll()
      .select((eb) =>
        eb.fn
          .agg<number>('row_number')
          .over((over) => over.partitionBy('tenant_id').orderBy('next_try_at'))
          .as('turn'),
      )
      .where('state', '=', 'WAITING')
      .where('next_try_at', '<=', store.now());
    return db
      .selectFrom(waiting.as('waiting'))
      .selectAll()
      .orderBy('turn')
      .orderBy('next_try_at')
      .limit(batch)
      .execute();
  }

  async #deliver(mail: MailRow, still: StillRunner): Promise<void> {
    const { store, server, failed } = this.#deps;
    const letter = await this.#letterOf(mail).catch((error: unknown) => {
      const failure = asMailFailure(error);
      failed(failure);
      return failure.message;
    });
    if (typeof letter === 'string') return this.#note(mail, { state: 'FAILED', failure: letter });
    await still();
    try {
      await server.send(letter, this.#stopping.signal);
    } catch (error) {
      // The next start tries again.
      if (this.#stopping.signal.aborted) return;
      return this.#failed(mail, error);
    }
    this.#pause = pauseMs.first;
    this.#deps.problemChanged(null);
    await this.#note(mail, { state: 'SENT', failure: null, at: store.now() });
  }

  /** Returns the letter of a mail, or why it is not sent any more. */
  async #letterOf(mail: MailRow): Promise<Letter | string> {
    const { store, outbox, domain, signInUrl } = this.#deps;
    const db = scoped(store.db, mail.tenant_id);
    const user = await findUser(db, mail.user_id);
    if (user === undefined || user.status === 'DEACTIVATED') return 'The user cannot sign in any more';
    if (mail.link_id !== null && !(await isGood(db, mail.link_id, store.now())))
      return 'The link ended before the mail was sent';
    const place = signInPlace(signInUrl());
    if ('reason' in place) return 'People cannot sign in at the address of this controller';
    const content = outbox.contentOf(mail);
    const url = content.kind === 'NOTICE' ? `${place.url}/console/account` : linkUrl(place.url, content.secret);
    const { name } = await settingsRow(db);
    const letter = writeLetter(content, { tenant: name, url, at: mail.created_at });
    return { ...letter, to: user.email, messageId: `<${mail.id}@${domain}>` };
  }

  async #failed(mail: MailRow, error: unknown): Promise<void> {
    const { store, failed } = this.#deps;
    const failure = asMailFailure(error);
    failed(failure);
    const now = store.now();
    if (failure.kind === 'never') return this.#note(mail, { state: 'FAILED', failure: failure.message, at: now });
    const tries = mail.tries + 1;
    if (failure.kind === 'server') {
      this.#deps.problemChanged(failure.message);
      this.#pausedUntil = now + this.#pause;
      this.#pause = Math.min(this.#pause * 2, pauseMs.longest);
      return this.#note(mail, { state: 'WAITING', failure: failure.message, tries, next: this.#pausedUntil });
    }
    const minutes = retryMinutes[Math.min(mail.tries, retryMinutes.length - 1)] ?? 0;
    return this.#note(mail, { state: 'WAITING', failure: failure.message, tries, next: now + minutes * 60_000 });
  }

  /** Writes what became of a try. A mail that no longer waits keeps no content: it can hold the secret of a link. */
  async #note(mail: MailRow, { state, failure, tries, next, at }: Outcome): Promise<void> {
    const { store } = this.#deps;
    await store.write(bySystem(mail.tenant_id, 'send mail'), async (tx) => {
      const values =
        state === 'WAITING'
          ? { failure, tries: tries ?? mail.tries, next_try_at: next ?? tx.now }
          : { state, failure, tries: mail.tries + 1, ended_at: at ?? tx.now, content: null };
      await tx.scoped.updateTable('mails').set(values).where('id', '=', mail.id).execute();
    });
  }
}

interface Outcome {
  readonly state: MailRow['state'];
  readonly failure: string | null;
  readonly tries?: number;
  readonly next?: number;
  readonly at?: number;
}

async function isGood(db: ReturnType<typeof scoped>, link: string, now: number): Promise<boolean> {
  const row = await db
    .selectFrom('sign_in_links')
    .select('id')
    .where('id', '=', link)
    .where('expires_at', '>', now)
    .executeTakeFirst();
  return row !== undefined;
}
