import * as http from 'node:http';
import * as https from 'node:https';
import { exitCodes, Failure } from './failure.ts';

/** Where a request goes: an absolute http or https address, or a path on a Unix socket. */
export type Target =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'socket'; readonly socketPath: string; readonly path: string };

export interface HttpRequest {
  readonly target: Target;
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<http.IncomingHttpHeaders>;
  readonly text: string;
}

/**
 * Sends one request and reads the whole answer, whatever its status. Redirects are not followed, so that a key never
 * goes where it was not sent. Rejects with a `Failure` (unreachable) when no answer comes within 30 seconds.
 */
export async function send(request: HttpRequest): Promise<HttpAnswer> {
  try {
    return await exchange(request);
  } catch (error) {
    throw unreachable(request.target, error);
  }
}

function exchange({ target, method, headers, body }: HttpRequest): Promise<HttpAnswer> {
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const options: http.RequestOptions = {
    method,
    agent: false,
    signal: AbortSignal.timeout(30_000),
    headers: {
      accept: 'application/json',
      connection: 'close',
      ...headers,
      ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': payload.length }),
    },
  };
  return new Promise((resolve, reject) => {
    const outgoing = open(target, options);
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text });
      });
    });
    outgoing.end(payload);
  });
}

function open(target: Target, options: http.RequestOptions): http.ClientRequest {
  if (target.kind === 'socket')
    return http.request({ ...options, socketPath: target.socketPath, path: target.path, host: 'localhost' });
  return target.url.startsWith('https:') ? https.request(target.url, options) : http.request(target.url, options);
}

function unreachable(target: Target, error: unknown): Failure {
  const where = target.kind === 'socket' ? target.socketPath : new URL(target.url).origin;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const said = error instanceof Error ? error.message : String(error);
  const [reason, hint] = explain(target, code) ?? [said, undefined];
  return new Failure(exitCodes.unreachable, `Cannot reach the controller at ${where}: ${reason}`, { hint });
}

function explain(target: Target, code: string): [string, string] | undefined {
  const socketHint =
    'Operator commands run on the controller’s host, as its user: give its data directory with --data-dir.';
  if (target.kind === 'socket') {
    if (code === 'ENOENT') return ['no such socket', `${socketHint} The controller must be running.`];
    if (code === 'EACCES') return ['permission denied', socketHint];
    if (code === 'ECONNREFUSED') return ['the controller is not running', 'Start it with: npm start'];
    return undefined;
  }
  if (code === 'ECONNREFUSED')
    return ['nothing listens there', 'Start the controller with `npm start`, or give its address with --url.'];
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return ['the host name is not known', 'Check --url.'];
  if (code === 'ABORT_ERR' || code === 'ETIMEDOUT') return ['no answer in time', 'Check --url and firewalls.'];
  if (code === 'EPROTO') return ['it does not speak TLS', 'Check whether the address starts with http:// or https://.'];
  if (/CERT|SELF_SIGNED|UNABLE_TO/.test(code))
    return [
      `its certificate is not trusted (${code})`,
      'Trust its certificate authority with NODE_EXTRA_CA_CERTS=FILE.',
    ];
  return undefined;
}
