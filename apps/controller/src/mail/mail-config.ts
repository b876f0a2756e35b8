import { z } from 'zod';
import { OperatorError } from '../errors.ts';
import { type MailSender, readSender, readSmtpUrl, type SmtpSettings } from './smtp-settings.ts';

/** Mail server and sender. */
export interface MailSettings {
  readonly smtp: SmtpSettings;
  readonly from: MailSender;
}

/** Schema of SALLYPORT_SMTP_URL. Its messages never repeat the text, which holds a password. */
export const smtpUrl = z.string().transform((text, context) => {
  const settings = readSmtpUrl(text);
  if (!('refusal' in settings)) return settings;
  context.addIssue(settings.refusal);
  return z.NEVER;
});

/** Schema of SALLYPORT_MAIL_FROM. */
export const mailFrom = z.string().transform((text, context) => {
  const sender = readSender(text);
  if (sender !== null) return sender;
  context.addIssue('must be an address like vpn@example.com or Example VPN <vpn@example.com>');
  return z.NEVER;
});

/** Returns the mail settings, or null without any. Throws when only one of the two is set. */
export function mailOf(smtp: SmtpSettings | undefined, from: MailSender | undefined): MailSettings | null {
  if (smtp === undefined && from === undefined) return null;
  if (smtp === undefined) throw new OperatorError('SALLYPORT_MAIL_FROM has no effect without SALLYPORT_SMTP_URL');
  if (from === undefined) throw new OperatorError('SALLYPORT_SMTP_URL needs SALLYPORT_MAIL_FROM, the sender of mails');
  return { smtp, from };
}
