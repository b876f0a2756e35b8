import type { Outbox } from '../objects/mail/outbox.ts';
import type { LetterText } from './letters.ts';
import type { MailServer } from './mail-server.ts';

/** How the controller sends mail, as it is built. */
export interface MailService {
  readonly server: MailServer;
  /** Address that mails come from. */
  readonly from: string;
}

/** Mail to people, as the features use it. */
export interface Mail {
  readonly outbox: Outbox;
  /** Address that mails come from; null where the controller sends none. */
  readonly from: string | null;
  /** Why the mail server could not be used the last time; null when it could. */
  problem(): string | null;
  /** Sends a mail at once, without the outbox. Throws `mail_off` and `mail_failed`. */
  sendNow(to: string, letter: LetterText): Promise<void>;
  /** Answers waiting requests and sends what is due. Calls during a round make one more round. */
  deliver(): Promise<void>;
  /** Looks into the outbox soon. */
  wake(): void;
  stop(): Promise<void>;
}
