import { randomUUID } from 'node:crypto';
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import { collectRoutes } from './allowed-methods.ts';
import { installBodyParser } from './body.ts';
import { frameworkProblem, installProblems } from './problems.ts';

/** Settings of the HTTP server. */
export interface ServerOptions {
  readonly log: FastifyBaseLogger;
  /** Addresses and prefixes whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | null;
}

/** Creates a server without routes, with our body parser, failures, request ids and security headers. */
export function createServer(options: ServerOptions): FastifyInstance {
  const app = fastify({
    loggerInstance: options.log,
    logController: new LogController({ disableRequestLogging: true }),
    // A logger of its own for each request costs more than the few lines with a request id are worth.
    childLoggerFactory: (log) => log,
    trustProxy: options.trustedProxies.length === 0 ? false : [...options.trustedProxies],
    genReqId: (request) => givenRequestId(request.headers['x-request-id']) ?? randomUUID(),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength },
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestTimeout: requestTimeoutMs,
    connectionTimeout: silentMs,
    keepAliveTimeout: options.trustedProxies.length === 0 ? keepAliveMs : proxyKeepAliveMs,
    frameworkErrors: (error, request, reply) => {
      reply.headers(securityHeaders).header('x-request-id', request.id);
      frameworkProblem(error, request, reply);
    },
    ...(options.tls === null
      ? { http: early }
      : { https: { ...options.tls, ...early, handshakeTimeout: early.headersTimeout } }),
  }) as FastifyInstance;
  // Emitted when a connection cannot be accepted, for example without free file descriptors. Unhandled, it ends the process.
  app.server.on('error', (error) => {
    if (app.server.listening) options.log.error({ err: error }, 'the listener failed');
  });
  installBodyParser(app);
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(securityHeaders).header('x-request-id', request.id);
    done();
  });
  installProblems(app, collectRoutes(app));
  if (options.log.level === 'debug' || options.log.level === 'trace') logRequests(app);
  return app;
}

/** Longer than any path that Node takes (16 KiB of headers): schemas judge parameters, not the router. */
const maxParamLength = 65_536;

/** How long a client may take to send a request. */
const requestTimeoutMs = 30_000;

/** How long a TLS handshake or the head of a request may take, and how often that is checked. */
const early = { headersTimeout: 10_000, connectionsCheckingInterval: 2_000 };

/** How long a connection may be silent while it is answered. Streams send much more often. */
const silentMs = 120_000;

/**
 * How long a connection may be idle between requests. Proxies close theirs after 60 s, so they never reuse a closing
 * one.
 */
const keepAliveMs = 10_000;
const proxyKeepAliveMs = 75_000;

function logRequests(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    const { method, id, routeOptions } = request;
    // The route without its query, because a query may hold a secret.
    const line = { requestId: id, method, route: routeOptions.url, status: reply.statusCode };
    request.log.debug({ ...line, ms: Math.round(reply.elapsedTime * 10) / 10 }, 'request');
  });
}

const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
};

const givenRequestId = (header: unknown): string | null =>
  typeof header === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(header) ? header : null;
