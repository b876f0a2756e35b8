import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { http } from '@sallyport/program/http';
import type { FastifyBaseLogger } from 'fastify';
import type { Metrics } from './metrics.ts';

/** Where metrics are served. */
export interface MetricsAddress {
  readonly host: string;
  readonly port: number;
}

/** The listener of the metrics while it is open. */
export interface MetricsListener {
  /** Null when nothing listens: it is turned off, or its port could not be opened. */
  readonly url: string | null;
  close(): Promise<void>;
}

type Log = Pick<FastifyBaseLogger, 'warn' | 'error'>;

/**
 * Serves `/metrics` on an address of its own. The figures cover all tenants, so the API's listener does not serve them.
 * An address that cannot be opened is a warning: the API goes on without metrics.
 */
export async function listenMetrics(
  address: MetricsAddress | null,
  metrics: Pick<Metrics, 'text' | 'contentType'>,
  log: Log,
): Promise<MetricsListener> {
  if (address === null) return { url: null, close: async () => {} };
  const server = http.createServer(limits, (request, reply) => {
    answer(metrics, request, reply).catch((error) => {
      log.error({ err: error }, 'could not tell metrics');
      reply.destroy();
    });
  });
  server.maxConnections = 32;
  const failure = await opened(server, address);
  if (failure !== null) {
    log.warn({ err: failure }, `there are no metrics: ${failureText(address, failure)}`);
    return { url: null, close: async () => {} };
  }
  server.on('error', (error) => log.error({ err: error }, 'the listener for metrics failed'));
  return { url: urlOf(server), close: () => closed(server) };
}

const limits = { maxHeaderSize: 8192, headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 5_000 };

async function answer(
  metrics: Pick<Metrics, 'text' | 'contentType'>,
  { method, url }: IncomingMessage,
  reply: ServerResponse,
): Promise<void> {
  const headers = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  if (url?.split('?')[0] !== '/metrics') return plain(reply, 404, 'Metrics are at /metrics\n', headers);
  if (method !== 'GET' && method !== 'HEAD')
    return plain(reply, 405, 'Only GET is possible\n', { ...headers, allow: 'GET, HEAD' });
  const text = await metrics.text();
  reply.writeHead(200, { ...headers, 'content-type': metrics.contentType }).end(method === 'HEAD' ? undefined : text);
}

function plain(reply: ServerResponse, status: number, text: string, headers: Record<string, string>): void {
  reply.writeHead(status, { ...headers, 'content-type': 'text/plain; charset=utf-8' }).end(text);
}

function opened(server: Server, { host, port }: MetricsAddress): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    server.once('error', resolve);
    server.listen(port, host, () => {
      server.off('error', resolve);
      resolve(null);
    });
  });
}

function failureText({ host, port }: MetricsAddress, { code }: NodeJS.ErrnoException): string {
  const why =
    code === 'EADDRINUSE'
      ? `port ${port} of ${host} is in use`
      : code === 'EADDRNOTAVAIL'
        ? `${host} is not an address of this machine`
        : `port ${port} of ${host} cannot be opened (${code})`;
  return `${why}. Set SALLYPORT_METRICS_LISTEN to a free address, or to off`;
}

function urlOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the listener for metrics has no port');
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `http://${host}:${address.port}/metrics`;
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
