import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RequestBody } from '@sallyport/contract';
import { http } from '@sallyport/program/http';
import { exitCodes, Failure } from '../failure.ts';
import type { Session } from '../session.ts';
import { clean } from '../text.ts';

/** How a command line is allowed in a browser. */
export interface BrowserSignIn {
  /** Address of the console’s controller, no slash at the end. */
  readonly page: string;
  /** Whether to open the browser. The address is printed in any case. */
  readonly open: boolean;
  /** Spends the code at the controller. Returns the token of the new session. */
  spend(body: RequestBody<'signInCli'>): Promise<string>;
}

const patienceMs = 5 * 60_000;

/**
 * Lets a person allow this command line in a browser. The browser brings the code to a port on 127.0.0.1 (RFC 8252,
 * section 7.3). The code is worth nothing without the verifier, which never leaves this process but for the controller
 * (RFC 7636). Returns the token of the session.
 */
export async function allowInBrowser({ io, note }: Session, { page, open, spend }: BrowserSignIn): Promise<string> {
  const [verifier, state] = [secretText(io.randomBytes(32)), secretText(io.randomBytes(32))];
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const server = http.createServer({ headersTimeout: 5000, requestTimeout: 5000, maxHeaderSize: 16_384 });
  server.maxConnections = 20;
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const answered = answerOf(server, port, state, (code) => spend({ code, verifier, port }));
  const host = clean(io.hostName ?? 'localhost').slice(0, 80) || 'localhost';
  const url = `${page}/console/cli?${new URLSearchParams({ challenge, port: String(port), state, host })}`;
  note(`Sign in with the browser of this computer. If it does not open by itself, open this address:\n${url}`);
  note('Without a browser here, use an API key: sally login --api-key');
  if (open) io.openBrowser?.(url);
  try {
    return await answered;
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/** Resolves to the token once the browser has brought a code that fits. What does not carry our state is refused and ignored. */
function answerOf(
  server: Server,
  port: number,
  state: string,
  spend: (code: string) => Promise<string>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Failure(exitCodes.failed, 'No answer came from the browser within five minutes'));
    }, patienceMs);
    let taken = false;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const query = callbackOf(request, port);
      if (query === null || !same(query.get('state') ?? '', state))
        return say(response, 400, 'This is not the answer that sally waits for.');
      if (taken) return say(response, 409, 'The answer has been given already.');
      taken = true;
      clearTimeout(timer);
      const code = query.get('code');
      const work =
        code === null ? Promise.reject(new Failure(exitCodes.notAllowed, 'You said no in the browser')) : spend(code);
      work.then(
        (token) => say(response, 200, 'You are signed in. You can close this page.', () => resolve(token)),
        (error) => say(response, 200, 'The command line is not signed in. It says why.', () => reject(error)),
      );
    });
  });
}

/** Returns the query of a callback, or null for any other request. The Host header keeps names that resolve to here out. */
function callbackOf({ method, url = '', headers }: IncomingMessage, port: number): URLSearchParams | null {
  if (method !== 'GET' || headers.host !== `127.0.0.1:${port}` || !url.startsWith('/callback?')) return null;
  return new URLSearchParams(url.slice('/callback?'.length));
}

function say(response: ServerResponse, status: number, text: string, then: () => void = () => undefined): void {
  response.once('close', then);
  response.writeHead(status, {
    ...{ 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' },
    ...{ 'content-security-policy': "default-src 'none'", 'x-content-type-options': 'nosniff', connection: 'close' },
  });
  response.end(`${text}\n`);
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

const secretText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
