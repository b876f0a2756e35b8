import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { smtpServer } from '../mail/mail-server.ts';
import type { SmtpSettings } from '../mail/smtp-settings.ts';
import type { MailService } from '../mail/types.ts';
import type { TestCertificate } from './certificates.ts';

/** A mail as an SMTP server has taken it. */
export interface TakenMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and body as they came. */
  readonly raw: string;
}

/** A real SMTP server on this machine. */
export interface TestSmtp {
  readonly port: number;
  readonly taken: TakenMail[];
  close(): Promise<void>;
}

/** Starts an SMTP server. Without a certificate it offers no TLS. */
export async function startSmtp(
  t: Pick<TestContext, 'after'>,
  options: Partial<SMTPServerOptions> = {},
  certificate: TestCertificate | null = null,
  port = 0,
): Promise<TestSmtp> {
  const taken: TakenMail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: certificate === null ? ['STARTTLS'] : [],
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 10,
    ...(certificate === null ? {} : { key: readFileSync(certificate.key), cert: readFileSync(certificate.cert) }),
    onData: (stream, session, done) => {
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        const from = mailFrom === false ? '' : mailFrom.address;
        const raw = Buffer.concat(parts).toString('utf8');
        taken.push({ from, to: rcptTo.map(({ address }) => address), raw });
        done(null);
      });
    },
    ...options,
  });
  // Clients that give up end their connections in any state.
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  let open = true;
  const close = async () => {
    if (open) await new Promise<void>((resolve) => server.close(() => resolve()));
    open = false;
  };
  t.after(close);
  return { port: (server.server.address() as AddressInfo).port, taken, close };
}

/** Starts a server that speaks as `talk` says, to try what no good server does. Returns its port. */
export async function startRawServer(t: Pick<TestContext, 'after'>, talk: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    talk(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Settings for a server on this machine, in clear text. */
export const localSmtp = (port: number): SmtpSettings => ({
  ...{ host: '127.0.0.1', port, implicitTls: false, plain: true, login: null },
});

/** The mail service of a controller that uses a server on this machine. */
export const mailBy = ({ port }: Pick<TestSmtp, 'port'>): MailService => ({
  server: smtpServer(localSmtp(port), { name: 'Example VPN', address: 'vpn@example.com' }),
  from: 'vpn@example.com',
});

/** The text part of a mail, decoded. */
export function textOf({ raw }: TakenMail): string {
  const part = /Content-Type: text\/plain[\s\S]*?\r\n\r\n([\s\S]*?)\r\n----_NmP/.exec(raw);
  return decoded(part?.[0] ?? raw, part?.[1] ?? '');
}

function decoded(head: string, body: string): string {
  if (/Content-Transfer-Encoding: base64/i.test(head)) return Buffer.from(body, 'base64').toString('utf8');
  if (!/Content-Transfer-Encoding: quoted-printable/i.test(head)) return body;
  const bytes = body
    .replaceAll(/=\r?\n/g, '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** The secret of the link in a mail. */
export function secretIn(mail: TakenMail | undefined): string {
  const secret = mail === undefined ? null : /#(spl_[\w-]+)/.exec(textOf(mail));
  if (secret === null) throw new Error(`the mail has no link:\n${mail?.raw}`);
  return secret[1] ?? '';
}
