import type { IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { http } from '@sallyport/program/http';
import type { Egress } from './egress.ts';

/** A request to a URL that a tenant named. */
export interface EgressRequest {
  /** `http:` or `https:`, without user and password. */
  readonly url: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Time limit from the lookup of the name to the last byte. */
  readonly timeoutMs: number;
  /** Longest answer that is read. */
  readonly maxBytes: number;
  /** Certificates to trust beside those of the system, PEM. */
  readonly ca?: string;
}

/** Why a request failed. */
export type EgressFailure = 'bad-url' | 'unresolved' | 'forbidden' | 'unreachable' | 'timeout' | 'too-large';

/** The answer of a request, or why there is none. */
export type EgressAnswer =
  | { readonly ok: true; readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer }
  | { readonly ok: false; readonly reason: EgressFailure };

/**
 * Sends one HTTP request to a URL that a tenant named. It goes to the checked address, with the URL's name in `Host`
 * and TLS. Redirects are not followed. Failures of the network are returned and not thrown.
 */
export async function egressRequest(egress: Egress, wanted: EgressRequest): Promise<EgressAnswer> {
  const url = usableUrl(wanted.url);
  if (url === null) return { ok: false, reason: 'bad-url' };
  const signal = AbortSignal.timeout(wanted.timeoutMs);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const target = await egress.target(host, 'request', wanted);
  if (!target.ok) return { ok: false, reason: signal.aborted ? 'timeout' : target.reason };
  try {
    return await send(url, target, wanted, signal);
  } catch {
    return { ok: false, reason: signal.aborted ? 'timeout' : 'unreachable' };
  }
}

function usableUrl(text: string): URL | null {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return null;
  return url.username === '' && url.password === '' ? url : null;
}

function send(
  url: URL,
  { address, family }: { readonly address: string; readonly family: 4 | 6 },
  { method = 'GET', headers = {}, body, maxBytes, ca }: EgressRequest,
  signal: AbortSignal,
): Promise<EgressAnswer> {
  const lookup: NonNullable<RequestOptions['lookup']> = (_host, options, done) => {
    if (options.all === true) done(null, [{ address, family }]);
    else done(null, address, family);
  };
  const options = { method, headers, lookup, signal, agent: false, ...(ca === undefined ? {} : { ca }) };
  return new Promise((resolve, reject) => {
    const sent = (url.protocol === 'https:' ? tlsRequest : http.request)(url, options, (answer) => {
      read(answer, maxBytes).then(resolve, reject);
    });
    sent.on('error', reject).end(body);
  });
}

async function read(answer: IncomingMessage, maxBytes: number): Promise<EgressAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // Leaving the loop destroys the answer and its connection.
    if (bytes > maxBytes) return { ok: false, reason: 'too-large' };
    chunks.push(chunk);
  }
  return { ok: true, status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) };
}
