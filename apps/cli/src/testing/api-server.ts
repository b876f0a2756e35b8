import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Operation, type OperationName, operations } from '@sallyport/contract';
import { type Fixtures, fixtures } from './fixtures.ts';

/** API key that the server accepts. */
export const API_KEY = 'test-key-0123456789abcdef0123456789';
/** Token of a person's session. */
export const SESSION = `sps_${'x'.repeat(43)}`;

/** Accepts work to do at the end of a test, such as a test context. */
export interface Cleanup {
  after(work: () => unknown): void;
}

/** A received request. */
export interface Seen {
  readonly operation: OperationName | undefined;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: unknown;
}

/** Scripted answer to a request. */
export interface Reply {
  readonly status?: number;
  readonly body?: unknown;
  /** Raw text to send instead of a body. */
  readonly text?: string;
  /** Closes the connection after the text. */
  readonly cut?: true;
  readonly headers?: Record<string, string>;
}

/** A running test server of the API. */
export interface ApiServer {
  readonly url: string;
  readonly seen: Seen[];
  /** Scripted answers by operation. Other operations answer with their fixture. */
  readonly replies: Map<OperationName, (request: Seen) => Reply>;
}

/**
 * Starts an HTTP server that follows the contract. It rejects requests that violate the operation's schemas. It answers
 * with fixtures or with scripted replies, which must match the schema too. The server stops at the end of the test.
 */
export async function startApi(t: Cleanup, basePath = ''): Promise<ApiServer> {
  const seen: Seen[] = [];
  const replies: ApiServer['replies'] = new Map();
  const server = createServer((request, response) => {
    void answer(request, basePath, seen, replies, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, replies };
}

/** Returns a reply with a problem document. */
export function problem(status: number, code: string, more: object = {}): Reply {
  const body = { type: `urn:test:${code}`, title: `Title of ${code}`, status, code, ...more };
  return { status, body, headers: { 'content-type': 'application/problem+json' } };
}

async function answer(
  request: IncomingMessage,
  basePath: string,
  seen: Seen[],
  replies: ApiServer['replies'],
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  const { method = '', url = '', headers } = request;
  const found = match(method, url, basePath);
  const entry: Seen = {
    operation: found?.name,
    method,
    url,
    headers,
    text,
    body: text === '' ? undefined : JSON.parse(text),
  };
  seen.push(entry);
  const reply = url === '/readyz' ? { body: { status: 'ready' } } : replyTo(entry, found, replies);
  const payload = reply.text ?? (reply.body === undefined ? '' : JSON.stringify(reply.body));
  response.writeHead(reply.status ?? 200, { 'content-type': 'application/json', ...reply.headers });
  if (reply.cut === true) response.write(payload, () => response.destroy());
  else response.end(payload);
}

interface Match {
  readonly name: OperationName;
  readonly params: Record<string, string>;
}

function replyTo(entry: Seen, found: Match | undefined, replies: ApiServer['replies']): Reply {
  const known = entry.headers.apikey === API_KEY || entry.headers.authorization === `Bearer ${SESSION}`;
  if (!known) return problem(401, 'unauthenticated');
  if (found === undefined) return problem(404, 'route_not_found');
  const operation: Operation = operations[found.name];
  const query = queryOf(entry.url);
  for (const [place, schema, value] of [
    ['path', operation.params, found.params],
    ['query', operation.query, query],
    ['', operation.body, entry.body],
  ] as const) {
    const result = schema?.safeParse(value);
    if (result?.success === false) {
      const errors = result.error.issues.map((issue) => ({
        pointer: `${place}/${issue.path.join('/')}`,
        message: issue.message,
      }));
      return problem(400, 'invalid_request', { errors });
    }
  }
  if (operation.body === undefined && entry.text !== '') return problem(400, 'invalid_request');
  const reply = replies.get(found.name)?.(entry) ?? usual(found.name, operation, query);
  const isPlain = operation.stream === undefined && query['dry-run'] !== 'true';
  if ((reply.status ?? 200) < 300 && isPlain) operation.response?.parse(reply.body);
  return reply;
}

/** Returns the query parameters. A repeated parameter becomes a list. */
function queryOf(url: string): Record<string, string | string[] | undefined> {
  const { searchParams } = new URL(url, 'http://x');
  const values = [...new Set(searchParams.keys())].map((key) => {
    const all = searchParams.getAll(key);
    return [key, all.length === 1 ? all[0] : all] as const;
  });
  return Object.fromEntries(values);
}

/** Returns one item of a streamed answer. */
export function pieceOf(kind: 'ndjson' | 'sse', body: unknown, id = 'r1'): string {
  const text = JSON.stringify(body);
  return kind === 'sse' ? `id: ${id}\nevent: change\ndata: ${text}\n\n` : `${text}\n`;
}

function usual(name: OperationName, operation: Operation, query: Record<string, unknown>): Reply {
  if (query['dry-run'] === 'true') return { body: fixtures.dryRun };
  const body = (fixtures.answers as Partial<Fixtures>)[name as keyof Fixtures];
  if (operation.stream !== undefined) return { text: pieceOf(operation.stream, body) };
  const headers = operation.status === 204 || Array.isArray(body) ? {} : { etag: '"7"' };
  return { status: operation.status, headers, ...(body === undefined ? {} : { body }) };
}

function match(method: string, url: string, basePath: string): Match | undefined {
  const path = new URL(url, 'http://x').pathname;
  const hits = Object.entries(operations).flatMap(([name, operation]) => {
    const pattern = new RegExp(`^${basePath}${operation.path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`);
    const found = operation.method === method ? pattern.exec(path) : null;
    const params = Object.entries(found?.groups ?? {}).map(([key, value]) => [key, decodeURIComponent(value)]);
    return found === null ? [] : [{ name: name as OperationName, params: Object.fromEntries(params) }];
  });
  // A literal path (`/policies/reorder`) takes precedence over a path with a parameter (`/policies/{id}`).
  return hits.toSorted((a, b) => Object.keys(a.params).length - Object.keys(b.params).length)[0];
}
