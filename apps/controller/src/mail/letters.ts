import type { MailContent, Notice } from '../objects/mail/outbox.ts';

/** What a letter is written from. Names come from people, so they may be hostile. */
export interface LetterFacts {
  readonly tenant: string;
  /** Page of the console that the mail leads to. */
  readonly url: string;
  /** When what the mail tells happened, epoch milliseconds. */
  readonly at: number;
}

/** The text of a mail. */
export interface LetterText {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** Writes the text of a mail. It holds one link, which is ours. */
export function writeLetter(
  content: MailContent | { readonly kind: 'TEST' },
  { tenant, url, at }: LetterFacts,
): LetterText {
  const { subject, before, button, after } = wordsOf(content, plainName(tenant) || 'your organisation', at);
  const text = [...before, url, ...after, ...signature].join('\n\n');
  const paragraphs = (lines: readonly string[]) => lines.map((line) => `<p>${escaped(line)}</p>`).join('\n');
  const link = `<p><a href="${escaped(url)}">${escaped(button)}</a></p>\n<p>${escaped(url)}</p>`;
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(subject)}</title></head>
<body style="font-family: sans-serif; line-height: 1.5; max-width: 36em">
${paragraphs(before)}
${link}
${paragraphs(after)}
${paragraphs(signature)}
</body></html>
`;
  return { subject, text: `${text}\n`, html };
}

interface Words {
  readonly subject: string;
  readonly before: readonly string[];
  readonly button: string;
  readonly after: readonly string[];
}

const signature = ['This mail was written by Sallyport. Replies are not read.'];

function wordsOf(content: MailContent | { readonly kind: 'TEST' }, tenant: string, at: number): Words {
  switch (content.kind) {
    case 'INVITATION':
      return {
        subject: `You are invited to ${tenant}`,
        before: [`You are invited to the private network of ${tenant}.`, 'Open this link to set up your sign-in:'],
        button: 'Accept the invitation',
        after: ['The link works once, within seven days. The link is for you alone: do not pass it on.'],
      };
    case 'RESET':
      return {
        subject: `Your sign-in at ${tenant} was reset`,
        before: [
          `An administrator of ${tenant} has reset your sign-in. Your passwords, passkeys and sessions have ended.`,
          'Open this link to set up a new sign-in:',
        ],
        button: 'Set up sign-in',
        after: ['The link works once, within one hour.'],
      };
    case 'FORGOTTEN':
      return {
        subject: `New password for ${tenant}`,
        before: [`Somebody asked for a new password for your account at ${tenant}.`, 'Open this link to set it:'],
        button: 'Set a new password',
        after: ['The link works once, within one hour.', 'If it was not you, ignore this mail. Nothing has changed.'],
      };
    case 'TEST':
      return {
        subject: `Test mail of ${tenant}`,
        before: [`An owner of ${tenant} asked for this test mail. Mail from this controller arrives.`],
        button: 'Open the console',
        after: [],
      };
    case 'NOTICE':
      return noticeWords(content, tenant, at);
  }
}

function noticeWords(
  { notice, client, sourceIp }: Extract<MailContent, { kind: 'NOTICE' }>,
  tenant: string,
  at: number,
): Words {
  const [title, sentence] = notices[notice];
  const facts = [
    `Time: ${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    ...(sourceIp === undefined ? [] : [`Address: ${plainAddress(sourceIp)}`]),
    ...(client === undefined ? [] : [`Program: ${plainName(client) || 'unknown'}`]),
  ];
  return {
    subject: `${title} at ${tenant}`,
    before: [
      `${sentence} at ${tenant}.`,
      facts.join('\n'),
      'Was it not you? Open your account, end all other sessions and change your sign-in. Tell an administrator.',
    ],
    button: 'Open your account',
    after: [],
  };
}

const notices: Readonly<Record<Notice, readonly [title: string, sentence: string]>> = {
  PASSWORD: ['New password', 'A new password was set for your account'],
  PASSKEY: ['New passkey', 'A passkey was added to your account'],
  TOTP: ['New authenticator app', 'An authenticator app was added to your account'],
  RECOVERY_CODES: ['New recovery codes', 'New recovery codes were made for your account'],
  PROVIDER: ['New sign-in provider', 'A sign-in provider was linked to your account'],
  METHOD_REMOVED: ['Sign-in method removed', 'A sign-in method was removed from your account'],
  RESET: ['Sign-in reset', 'The operator has reset the sign-in of your account'],
  SESSION: ['Sign-in from a new place', 'Your account signed in from a new place'],
};

/**
 * A name without anything that a mail program turns into a link: no dots, slashes, colons or at signs. Such a name could
 * otherwise send readers to a page of its choice.
 */
export const plainName = (name: string): string =>
  name
    .normalize('NFKC')
    .replaceAll(/[^\p{L}\p{M}\p{N} '&()-]+/gu, ' ')
    .replaceAll(/ +/g, ' ')
    .trim()
    .slice(0, 60)
    .trim();

/** IPv6 and IPv4 addresses only. */
const plainAddress = (address: string): string => (/^[0-9a-f:.]{2,45}$/i.test(address) ? address : 'unknown');

const escaped = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\n', '<br>');
