import type { ConnectionOptions } from 'node:tls';
import type { MailSender, SmtpSettings } from './smtp-settings.ts';

/** One mail as it leaves the controller. */
export interface Letter {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  /** The same for every try, so that a mail which arrives twice can be recognised. */
  readonly messageId: string;
}

/** Takes mails for delivery. */
export interface MailServer {
  /** Resolves once the server has accepted the mail. Throws `MailFailure`, also when `signal` ends the try. */
  send(letter: Letter, signal?: AbortSignal): Promise<void>;
}

/**
 * A mail that was not accepted.
 * - `server`: the server cannot be used now; every other mail would fail too.
 * - `later`: the server refuses this mail for now.
 * - `never`: the server refuses this mail for good.
 */
export class MailFailure extends Error {
  override readonly name = 'MailFailure';
  readonly kind: 'server' | 'later' | 'never';

  constructor(kind: MailFailure['kind'], message: string, cause: unknown) {
    super(message, { cause });
    this.kind = kind;
  }

  /** For the log: what the server said. It holds no credentials and no text of the mail. */
  get facts(): object {
    const { code, originalCode, command, response }: SmtpError = (this.cause ?? {}) as SmtpError;
    const reply = typeof response === 'string' ? response.slice(0, 300) : undefined;
    return { reason: this.message, code, originalCode, command, reply };
  }
}

/** Returns a failure as it is, and anything else as one that may pass. */
export const asMailFailure = (error: unknown): MailFailure =>
  error instanceof MailFailure ? error : new MailFailure('later', 'The mail could not be written', error);

/** Milliseconds that one mail may take in all, whatever the server does. */
const deadlineMs = 30_000;

/** Makes the mail server of the settings. `tls`: further options, for tests. The library is loaded with the first mail. */
export function smtpServer(
  settings: SmtpSettings,
  sender: MailSender,
  { tls = {}, timeoutMs = deadlineMs }: { readonly tls?: ConnectionOptions; readonly timeoutMs?: number } = {},
): MailServer {
  const { host, port, implicitTls, plain, login } = settings;
  return {
    send: async ({ to, ...letter }, ended) => {
      const { createTransport } = await import('nodemailer');
      const transport = createTransport({
        ...{ host, port, secure: implicitTls, requireTLS: !implicitTls && !plain, ignoreTLS: plain, tls },
        ...{
          connectionTimeout: timeoutMs,
          greetingTimeout: timeoutMs,
          socketTimeout: timeoutMs,
          dnsTimeout: timeoutMs,
        },
        ...{ socketCloseTimeout: 0, maxResponseSize: 10_000, disableFileAccess: true, disableUrlAccess: true },
        ...(login === null ? {} : { auth: { user: login.user, pass: login.password } }),
      });
      try {
        await transport.sendMail({
          ...letter,
          from: sender,
          to: { name: '', address: to },
          headers: { 'Auto-Submitted': 'auto-generated' },
          signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(ended === undefined ? [] : [ended])]),
        });
      } catch (error) {
        throw failureOf(error, settings);
      } finally {
        transport.close();
      }
    },
  };
}

interface SmtpError {
  readonly code?: unknown;
  /** Code of the system or of OpenSSL. */
  readonly originalCode?: unknown;
  readonly command?: unknown;
  readonly responseCode?: unknown;
  readonly response?: unknown;
  readonly name?: unknown;
}

/** Says in words what went wrong. The server's own words stay in `cause`, for the log. */
function failureOf(error: unknown, settings: SmtpSettings): MailFailure {
  const { code, originalCode, command, responseCode, name }: SmtpError = error as SmtpError;
  const status = typeof responseCode === 'number' ? responseCode : null;
  const told = status === null ? '' : ` (${status})`;
  const fail = (kind: MailFailure['kind'], text: string) => new MailFailure(kind, text, error);
  if (code === 'EAUTH') return fail('server', `The mail server refuses the user or the password${told}`);
  if (code === 'ETLS' || /CERT|SSL|TLS|EPROTO|UNABLE_TO/.test(String(originalCode)))
    return fail('server', tlsText(settings));
  if (code === 'EDNS') return fail('server', 'The name of the mail server cannot be resolved');
  if (code === 'ETIMEDOUT' || code === 'EABORT' || name === 'AbortError' || name === 'TimeoutError')
    return fail('server', 'The mail server did not answer in time');
  if (status === null) return fail('server', 'The connection to the mail server failed');
  if (command === 'MAIL FROM') return fail('server', `The mail server refuses the sender${told}`);
  const what = command === 'RCPT TO' ? 'the recipient' : 'the mail';
  if (command !== 'RCPT TO' && command !== 'DATA')
    return fail('server', `The mail server refuses the connection${told}`);
  if (status >= 500) return fail('never', `The mail server refuses ${what}${told}`);
  return fail('later', `The mail server refuses ${what} for now${told}`);
}

const tlsText = ({ implicitTls }: SmtpSettings): string =>
  implicitTls
    ? 'No safe connection to the mail server: its certificate is not trusted, or it does not speak TLS'
    : 'No safe connection to the mail server: it offers no STARTTLS, or its certificate is not trusted';
