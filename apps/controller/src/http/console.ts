import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { assetFolder } from '@sallyport/program/place';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Where the built console lies: `apps/console/dist/app` of this checkout. */
export const consoleFolder = assetFolder('console');

interface ConsoleDeps {
  /** Folder with the built console. */
  readonly folder: string;
  /** Origin of the console's pages, or null where nobody signs in. */
  readonly origin: () => string | null;
}

interface File {
  readonly type: string;
  /** Content by encoding; `identity` is always there. */
  readonly forms: ReadonlyMap<string, Buffer>;
}

/**
 * Serves the console below `/console/`. Its pages call the API like every client. Every path without a file is a page of it,
 * which the script in the browser finds. Where nothing was built, a page says how to build it.
 */
export function installConsole(app: FastifyInstance, { folder, origin }: ConsoleDeps): void {
  const files = readFiles(folder);
  const page = files.get('index.html');
  app.get('/', (_request, reply) => reply.redirect(page === undefined ? '/docs' : '/console/'));
  const serve = (path: string, request: FastifyRequest, reply: FastifyReply) => {
    const elsewhere = pageOnLocalhost(request, origin());
    if (elsewhere !== null) return reply.redirect(elsewhere);
    if (page === undefined) return reply.code(503).type('text/plain; charset=utf-8').send(notBuilt);
    const file = files.get(path);
    if (file === undefined && path.startsWith('assets/')) return reply.callNotFound();
    reply.header('content-security-policy', policy);
    if (file !== undefined && path.startsWith('assets/'))
      reply.header('cache-control', 'public, max-age=31536000, immutable');
    else reply.header('cache-control', 'no-cache');
    return sendFile(request, reply, file ?? page);
  };
  app.get('/console', (request, reply) => serve('', request, reply));
  app.get<{ Params: { '*': string } }>('/console/*', (request, reply) => serve(request.params['*'], request, reply));
}

/** Scripts, styles, fonts and requests of this controller alone, and no frame around it (CSP Level 3). */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

const notBuilt =
  'The console was not built. Run "sh scripts/setup.sh start" in the checkout of Sallyport and restart the controller.\n' +
  'The API and the command line work without it: see /docs.\n';

/** Browsers allow neither passkeys nor `Secure` cookies on an IP address, so a page on 127.0.0.1 moves to localhost. */
function pageOnLocalhost(request: FastifyRequest, origin: string | null): string | null {
  const host = request.headers.host ?? '';
  if (
    origin === null ||
    !/^(127(\.\d+){3}|\[::1\])(:\d+)?$/.test(host) ||
    !new URL(origin).hostname.endsWith('localhost')
  )
    return null;
  return `${origin}${request.url}`;
}

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  woff2: 'font/woff2',
};
/** Best first. */
const encodings = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;

/** Reads the built files into memory: they are few and small, and a new build must not mix with an old page. */
function readFiles(folder: string): ReadonlyMap<string, File> {
  const files = new Map<string, File>();
  for (const path of listFiles(folder)) {
    const type = types[path.split('.').at(-1) ?? ''];
    if (type === undefined) continue;
    const forms = new Map([['identity', readFileSync(join(folder, path))]]);
    for (const [name, ending] of encodings)
      if (statSync(join(folder, path + ending), { throwIfNoEntry: false }))
        forms.set(name, readFileSync(join(folder, path + ending)));
    files.set(path.split(sep).join('/'), { type, forms });
  }
  return files;
}

function listFiles(folder: string): string[] {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

function sendFile(request: FastifyRequest, reply: FastifyReply, { type, forms }: File): FastifyReply {
  const accepted = String(request.headers['accept-encoding'] ?? '');
  const encoding = encodings.find(([name]) => forms.has(name) && new RegExp(`\\b${name}\\b`).test(accepted))?.[0];
  if (encoding !== undefined) reply.header('content-encoding', encoding);
  return reply
    .header('vary', 'accept-encoding')
    .type(type)
    .send(forms.get(encoding ?? 'identity'));
}
