import { randomUUIDv7 } from 'node:crypto';
import { decodeJson, encodeJson } from '../../db/json.ts';
import type { Scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import type { SecretBox } from '../../secrets/box.ts';
import type { MailRow } from './views.ts';

/** What a person is told about the own account. */
export type Notice =
  | 'PASSWORD'
  | 'PASSKEY'
  | 'TOTP'
  | 'RECOVERY_CODES'
  | 'PROVIDER'
  | 'METHOD_REMOVED'
  | 'RESET'
  | 'SESSION';

/** What a mail says. The text is made when it is sent. */
export type MailContent =
  | { readonly kind: 'INVITATION' | 'RESET' | 'FORGOTTEN'; readonly secret: string }
  | { readonly kind: 'NOTICE'; readonly notice: Notice; readonly client?: string; readonly sourceIp?: string };

/** How long a mail waits at most, milliseconds. Then the controller gives up. */
export const longestWaitMs = 24 * 3600_000;

/** Mails that wait at once in one tenant. */
const waitingPerTenant = 1000;
/** Mails to one person within an hour: with a link, and notices. */
const hourly = { LINK: 5, NOTICE: 20 } as const;
const hourMs = 3600_000;

/**
 * Mails that wait to be sent. A mail is written in the transaction of what it is about, so that a controller which dies
 * loses none and sends none about what did not happen.
 */
export class Outbox {
  /** Whether the controller sends mail at all. Without it, nothing is written. */
  readonly enabled: boolean;
  readonly #box: Pick<SecretBox, 'seal' | 'open'>;
  #posted = false;

  constructor(box: Pick<SecretBox, 'seal' | 'open'>, enabled: boolean) {
    this.#box = box;
    this.enabled = enabled;
  }

  /** Whether a mail may have been written since the last call. */
  takePosted(): boolean {
    const posted = this.#posted;
    this.#posted = false;
    return posted;
  }

  /** Writes a mail to a user. Returns null, or why it is not sent. */
  async post(
    tx: Tx,
    user: string,
    content: MailContent,
    link: string | null = null,
  ): Promise<'OFF' | 'TOO_MANY' | null> {
    if (!this.enabled) return 'OFF';
    const kind = kindOf(content);
    if (await isTooMany(tx, user, kind)) return 'TOO_MANY';
    const id = randomUUIDv7();
    const row: Omit<MailRow, 'tenant_id'> = {
      ...{ id, user_id: user, created_at: tx.now, kind, link_id: link, state: 'WAITING' },
      ...{ content: this.#box.seal(encodeJson(content), mailPurpose(id)), tries: 0, next_try_at: tx.now },
      ...{ ended_at: null, failure: null },
    };
    await tx.scoped.insertInto('mails', row).execute();
    this.#posted = true;
    return null;
  }

  /** Writes a notice for a user about the own account. A notice that would be one too many is left out. */
  async notify(
    tx: Tx,
    user: string,
    notice: Notice,
    { userAgent, sourceIp }: { readonly userAgent?: string; readonly sourceIp?: string } = {},
  ): Promise<void> {
    const facts = {
      ...(userAgent === undefined ? {} : { client: userAgent.slice(0, 200) }),
      ...(sourceIp === undefined ? {} : { sourceIp }),
    };
    await this.post(tx, user, { kind: 'NOTICE', notice, ...facts });
  }

  /** Returns what a waiting mail says. Throws when it was changed in the database. */
  contentOf({ id, content }: MailRow): MailContent {
    if (content === null) throw new Error(`the mail ${id} has no content any more`);
    return decodeJson(this.#box.open(content, mailPurpose(id)));
  }
}

/** Binds the sealed content of a mail to the mail. */
export const mailPurpose = (id: string): string => `mail ${id}`;

function kindOf({ kind }: MailContent): MailRow['kind'] {
  if (kind === 'INVITATION') return 'INVITATION';
  return kind === 'RESET' || kind === 'FORGOTTEN' ? 'PASSWORD' : 'NOTICE';
}

/** Bounds the outbox of the tenant, and what one mailbox gets. */
async function isTooMany({ scoped, now }: Tx, user: string, kind: MailRow['kind']): Promise<boolean> {
  const count = (query: ReturnType<typeof countMails>) => query.executeTakeFirstOrThrow();
  const young = countMails(scoped).where('created_at', '>', now - longestWaitMs);
  const waiting = await count(young.where('state', '=', 'WAITING'));
  if (waiting.present >= waitingPerTenant) return true;
  const recent = countMails(scoped)
    .where('user_id', '=', user)
    .where('created_at', '>', now - hourMs);
  if (kind === 'NOTICE') return (await count(recent.where('kind', '=', kind))).present >= hourly.NOTICE;
  return (await count(recent.where('kind', '<>', 'NOTICE'))).present >= hourly.LINK;
}

const countMails = (db: Scoped) => db.selectFrom('mails').select((eb) => eb.fn.countAll<number>().as('present'));
