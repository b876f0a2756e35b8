import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assetFolder } from '@sallyport/program/place';
import { releaseKeyFile, signatureFile, sumsFile } from '@sallyport/release';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { notFound } from '../../errors.ts';
import { isLoopback } from '../../host-address.ts';
import { type Archive, NoRelease, type Release, type ReleaseFolder, readRelease } from './archives.ts';
import { type DownloadLimits, Downloads, downloadLimits, partOf } from './downloads.ts';
import { type Page, sendPage } from './pages.ts';
import { fillScript, type Role } from './script.ts';

/** What `/install` is served with. */
export interface PackageDeps {
  readonly release: ReleaseFolder;
  /** Address of the controller, as other hosts reach it. */
  readonly url: () => string;
  /** Left out: those for use. */
  readonly limits?: DownloadLimits;
}

/**
 * Serves `/install/gateway` and `/install/client`, which are shell scripts, and the archives that they take. Everything
 * is public, because a host has no key yet. Plain HTTP beyond this machine is refused: its reader would run as root what
 * anybody on the way puts there.
 */
export function installPackages(app: FastifyInstance, deps: PackageDeps): void {
  const downloads = new Downloads(deps.limits ?? downloadLimits);
  const serve = (path: string, send: (release: Release, request: FastifyRequest, reply: FastifyReply) => unknown) =>
    app.route({
      method: ['GET', 'HEAD'],
      url: path,
      handler: async (request, reply) => {
        if (!isSafe(request)) return sendPage(request, reply, 403, plainHttp(deps.url()));
        const release = await readRelease(deps.release).catch(noRelease);
        if (release instanceof NoRelease) return sendPage(request, reply, 404, notBuilt(release.message));
        return send(release, request, reply);
      },
    });
  serve('/install', (release, request, reply) => sendPage(request, reply, 200, overview(deps, release)));
  for (const role of ['gateway', 'client'] as const)
    serve(`/install/${role}`, async (release, _request, reply) => {
      const template = await readFile(join(assetFolder('deploy'), 'install/install.sh'), 'utf8');
      const { version } = deps.release;
      return reply
        .type('text/plain; charset=utf-8')
        .send(fillScript(template, { role, url: deps.url(), version, key: release.key.trim() }));
    });
  serve('/install/:file', (release, request, reply) => {
    const { file } = request.params as { file: string };
    const small = new Map<string, Buffer | string>([
      [sumsFile, release.sums],
      [signatureFile, release.signature],
      [releaseKeyFile, release.key],
    ]).get(file);
    if (small !== undefined) return reply.type('application/octet-stream').send(small);
    const archive = release.archives.find(({ name }) => name === file);
    if (archive === undefined) throw notFound();
    return sendArchive(downloads, deps.release.folder, archive, request, reply);
  });
}

function noRelease(error: unknown): NoRelease {
  if (error instanceof NoRelease) return error;
  throw error;
}

/** TLS to us or to a trusted proxy; or a program on this machine that names it. */
function isSafe({ protocol, socket, host }: FastifyRequest): boolean {
  if (protocol === 'https') return true;
  const name = URL.parse(`http://${host}`)?.hostname.replace(/^\[|\]$/g, '') ?? '';
  return isLoopback((socket.remoteAddress ?? '').replace(/^::ffff:/, '')) && isLoopback(name);
}

async function sendArchive(
  downloads: Downloads,
  folder: string,
  archive: Archive,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const etag = `"${archive.sha256}"`;
  const caching = { etag, 'accept-ranges': 'bytes', 'cache-control': 'no-cache' };
  if (request.headers['if-none-match'] === etag) return reply.headers(caching).code(304).send();
  const condition = request.headers['if-range'];
  const part = condition === undefined || condition === etag ? partOf(request.headers.range, archive.bytes) : null;
  if (part === 'unsatisfiable') return reply.code(416).header('content-range', `bytes */${archive.bytes}`).send();
  const { start, end } = part ?? { start: 0, end: archive.bytes - 1 };
  const stream =
    request.method === 'HEAD' ? undefined : await downloads.begin(request.ip, folder, archive, { start, end });
  if (stream === null) return reply.header('retry-after', '30').type('text/plain; charset=utf-8').code(503).send(busy);
  reply
    .headers(caching)
    .type('application/x-xz')
    .header('content-length', end - start + 1);
  if (part !== null) reply.code(206).header('content-range', `bytes ${start}-${end}/${archive.bytes}`);
  return reply.send(stream);
}

const busy = 'Too many downloads are under way. Try again in 30 seconds.\n';

const plainHttp = (url: string): Page => ({
  title: 'Programs are not served over plain HTTP',
  parts: [
    'Anybody on the way could replace a script that runs as root. Use the address of the controller that begins with https://.',
    url.startsWith('https://')
      ? { type: `${url}/install` }
      : 'The operator of this controller has set no such address. See SALLYPORT_TLS_CERT_FILE and SALLYPORT_PUBLIC_URL in the settings.',
    'When a proxy in front of the controller ends TLS, name it in SALLYPORT_TRUSTED_PROXIES. It must send X-Forwarded-Proto.',
  ],
});

const notBuilt = (reason: string): Page => ({
  title: 'This controller has nothing to install yet',
  parts: [
    reason,
    'Make a release key once, outside of the controller. Then build and sign the archives in a clone of this version:',
    { type: 'npm run release-key' },
    { type: 'npm run build -- --sign KEYFILE' },
    'A controller that runs from that clone serves them at once. Else copy the files of build/out to its host: into /var/lib/sallyport/releases for an installed package, or into the folder that SALLYPORT_INSTALL_DIR names.',
  ],
});

const overview = ({ url, release: { version } }: PackageDeps, release: Release): Page => ({
  title: `Install Sallyport ${version}`,
  parts: [
    'On the host of a gateway. The script asks for the token of the gateway:',
    { type: installLine(url(), 'gateway') },
    'On a Linux device. The script asks for an enrolment key:',
    { type: installLine(url(), 'client') },
    'To read a script first, leave out everything from the bar on. To see only what it would do, add: -s -- --dry-run',
    `Archives: ${release.archives.map(({ name }) => name).join(', ')}. The public release key:`,
    { type: release.key.trim() },
  ],
});

/** The one line that installs. */
const installLine = (url: string, role: Role): string => `curl -fsSL ${url}/install/${role} | sudo sh`;
