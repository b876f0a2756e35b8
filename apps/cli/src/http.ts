import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import * as https from 'node:https';
import { isLoopbackHost } from '@sallyport/contract';
import { http } from '@sallyport/program/http';
import { exitCodes, Failure, usage } from './failure.ts';
import { trustOf } from './tls-trust.ts';

/** Target of a request: an absolute http or https address, or a path on a Unix socket. */
export type Target =
  | {
      readonly kind: 'url';
      readonly url: string;
      /** Allows a key to be sent over http:// to another host. */
      readonly insecure?: boolean | undefined;
      /** Certificate authorities to trust in addition to those of the system, as PEM. */
      readonly ca?: string | undefined;
    }
  | { readonly kind: 'socket'; readonly socketPath: string; readonly path: string };

/** One HTTP request. */
export interface HttpRequest {
  readonly target: Target;
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Timeout of the answer; the default is 30 seconds. */
  readonly answerMs?: number | undefined;
}

/** A complete HTTP answer. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<IncomingHttpHeaders>;
  readonly text: string;
}

/**
 * Sends one request and reads the whole answer, whatever its status. Redirects are not followed, so a key reaches only
 * the named address. When the controller rate-limits the request and names a delay, the request waits and is sent
 * again, for a minute at most. Rejects with a `Failure` (unreachable) when no answer comes within 30 seconds.
 */
export async function send(request: HttpRequest): Promise<HttpAnswer> {
  try {
    for (let waited = 0; ; ) {
      const answer = await exchange(request);
      const seconds = answer.status === 429 ? Number(answer.headers['retry-after'] ?? Number.NaN) : Number.NaN;
      if (!(seconds > 0 && waited + seconds <= LONGEST_WAIT_S)) return answer;
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      waited += seconds;
    }
  } catch (error) {
    throw unreachable(request.target, error);
  }
}

const LONGEST_WAIT_S = 60;

/** A streamed answer. */
export interface HttpStream {
  readonly status: number;
  readonly headers: Readonly<IncomingHttpHeaders>;
  /** Text as it arrives. Rejects with a `Failure` (unreachable) when the connection breaks or stays idle too long. */
  readonly chunks: AsyncIterable<string>;
  close(): void;
}

/**
 * Sends one request and returns its answer when it begins, within 30 seconds. Afterwards at most `idleMs` pass between
 * chunks.
 */
export async function openStream(request: HttpRequest, idleMs: number): Promise<HttpStream> {
  const start = new AbortController();
  const timer = setTimeout(() => start.abort(), ANSWER_MS);
  try {
    const incoming = await begin(request, start.signal);
    clearTimeout(timer);
    incoming.setTimeout(idleMs, () => incoming.destroy(Object.assign(new Error('silence'), { code: 'ETIMEDOUT' })));
    const { statusCode: status = 0, headers } = incoming;
    return { status, headers, chunks: chunksOf(incoming, request.target), close: () => incoming.destroy() };
  } catch (error) {
    clearTimeout(timer);
    throw unreachable(request.target, error);
  }
}

const ANSWER_MS = 30_000;
/** Bound on an answer: many times the largest answer of a controller. */
const MOST_BYTES = 128 << 20;

async function exchange(request: HttpRequest): Promise<HttpAnswer> {
  const incoming = await begin(request, AbortSignal.timeout(request.answerMs ?? ANSWER_MS));
  const chunks: Buffer[] = [];
  let left = MOST_BYTES;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    left -= chunk.length;
    // Leaving the loop destroys the connection.
    if (left < 0)
      throw new Failure(exitCodes.failed, `The answer is larger than ${MOST_BYTES >> 20} MiB and was not read`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, text };
}

/** Throws a `Failure` when a key or a session for `url` would cross a network unencrypted. */
export function checkEncrypted(url: string, insecure = false): void {
  const { protocol, hostname, host } = new URL(url);
  if (protocol !== 'http:' || insecure || isLoopbackHost(hostname)) return;
  throw usage(
    `The API key would go to ${host} unencrypted, readable on the network`,
    'Use https://, or add --insecure if you trust the network.',
  );
}

/** Sends a request and waits for the head of its answer. */
async function begin(
  { target, method, headers = {}, body }: HttpRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  if (target.kind === 'url' && (headers.apikey !== undefined || headers.authorization !== undefined))
    checkEncrypted(target.url, target.insecure);
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const options: RequestOptions = {
    method,
    agent: false,
    signal,
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
    outgoing.on('response', resolve);
    outgoing.end(payload);
  });
}

async function* chunksOf(incoming: IncomingMessage, target: Target): AsyncGenerator<string> {
  incoming.setEncoding('utf8');
  try {
    for await (const chunk of incoming) yield chunk;
  } catch (error) {
    throw unreachable(target, error);
  } finally {
    incoming.destroy();
  }
}

function open(target: Target, options: RequestOptions): ClientRequest {
  if (target.kind === 'socket')
    return http.request({ ...options, socketPath: target.socketPath, path: target.path, host: 'localhost' });
  if (!target.url.startsWith('https:')) return http.request(target.url, options);
  const trusted = target.ca === undefined ? {} : trustOf(target.ca);
  return https.request(target.url, { ...options, ...trusted });
}

function unreachable(target: Target, error: unknown): Failure {
  if (error instanceof Failure) return error;
  const where = target.kind === 'socket' ? target.socketPath : new URL(target.url).origin;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const said = error instanceof Error ? error.message : String(error);
  const [reason, hint] = explain(target, code) ?? [said, undefined];
  return new Failure(exitCodes.unreachable, `Cannot reach the controller at ${where}: ${reason}`, { hint });
}

function explain(target: Target, code: string): [string, string | undefined] | undefined {
  const socketHint =
    'Run operator commands on the controller’s host as its user, and name its data directory with --data-dir.';
  if (target.kind === 'socket') {
    if (code === 'ENOENT') return ['no such socket', `${socketHint} The controller must be running.`];
    if (code === 'EACCES') return ['permission denied', socketHint];
    if (code === 'ECONNREFUSED') return ['the controller is not running', 'Start it with: npm start'];
    return undefined;
  }
  if (code === 'ECONNREFUSED')
    return ['nothing listens there', 'Start the controller with `npm start`, or give its address with --url.'];
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return ['the host name does not resolve', 'Check --url.'];
  if (code === 'ABORT_ERR' || code === 'ETIMEDOUT') return ['no answer in time', 'Check --url and firewalls.'];
  if (code === 'ECONNRESET') return ['the connection broke', undefined];
  if (code === 'EPROTO') return ['it does not speak TLS', 'Check whether the address starts with http:// or https://.'];
  if (/CERT|SELF_SIGNED|UNABLE_TO/.test(code))
    return [
      `its certificate is not trusted (${code})`,
      'Name its certificate authority with --ca-file FILE or SALLYPORT_CA_FILE.',
    ];
  return undefined;
}
