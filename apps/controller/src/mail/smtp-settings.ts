import { email } from '@sallyport/contract';
import { isLoopback } from '../host-address.ts';

/** How the controller reaches its mail server, read and checked. */
export interface SmtpSettings {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte; otherwise STARTTLS. */
  readonly implicitTls: boolean;
  /** Whether the connection may stay in clear text: only to a mail server on this machine. */
  readonly plain: boolean;
  readonly login: { readonly user: string; readonly password: string } | null;
}

/** Sender of the mails: an address with an optional name. */
export interface MailSender {
  readonly name: string;
  readonly address: string;
}

const ports: Readonly<Record<string, number>> = { 'smtp:': 587, 'smtps:': 465 };

/** Reads `smtp://user:password@host:port` or `smtps://…`. Returns why the text cannot be used, never the text itself. */
export function readSmtpUrl(text: string): SmtpSettings | { readonly refusal: string } {
  const url = URL.canParse(text) ? new URL(text) : null;
  const port = ports[url?.protocol ?? ''];
  if (url === null || port === undefined || url.hostname === '') return { refusal: form };
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '')
    return { refusal: `${form}, without a path` };
  const [user, password] = [decoded(url.username), decoded(url.password)];
  if (user === null || password === null) return { refusal: 'has a user or password that is not percent-encoded' };
  if ((user === '') !== (password === '')) return { refusal: 'needs both a user and a password, or neither' };
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return {
    host,
    port: url.port === '' ? port : Number(url.port),
    implicitTls: url.protocol === 'smtps:',
    plain: url.protocol === 'smtp:' && isLoopback(host),
    login: user === '' ? null : { user, password },
  };
}

const form = 'must be like smtp://user:password@mail.example.com:587 or smtps://mail.example.com';

function decoded(text: string): string | null {
  try {
    const plain = decodeURIComponent(text);
    // Control characters would end the command that carries them.
    return /[\p{Cc}]/u.test(plain) ? null : plain;
  } catch {
    return null;
  }
}

/** Reads `vpn@example.com` or `Example VPN <vpn@example.com>`; null for anything else. */
export function readSender(text: string): MailSender | null {
  const match = /^(?:([^<>"\p{Cc}\p{Cf}]{0,100})<([^<>]+)>|([^<>\s]+))$/u.exec(text.trim());
  const address = match?.[2] ?? match?.[3] ?? '';
  if (match === null || !email.safeParse(address).success) return null;
  return { name: (match[1] ?? '').trim(), address };
}
