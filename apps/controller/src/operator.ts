import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { CreateApiKey, email } from '@sallyport/contract';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Snapshots } from './backup/snapshot.ts';
import type { Actor, Store } from './db/store.ts';
import { ApiError, notFound, OperatorError } from './errors.ts';
import { verifyAudit } from './features/audit/verify.ts';
import { operatorLink } from './features/sign-in-settings/operator-link.ts';
import { createTenant, recoverTenant } from './features/tenants/commands.ts';
import { OpenSockets, stopGraceMs } from './http/open-sockets.ts';
import { createServer } from './http/server.ts';
import { parseBody } from './http/validate.ts';
import type { Mail } from './mail/types.ts';
import { requirePlace } from './objects/sign-in/deps.ts';
import { linkUrl } from './objects/sign-in/links.ts';
import { listTenants } from './objects/tenants/queries.ts';
import type { ReplicasView } from './replicas/overview.ts';
import { addRotations, type Rotations } from './rotation/routes.ts';

/** What the operator's socket shows and changes. */
export interface OperatorDeps {
  readonly store: Store;
  readonly mail: Mail;
  /** Returns the controllers that use the database. */
  readonly replicas: () => Promise<ReplicasView>;
}

/**
 * What only the operator may do, over a socket that only the controller's own user can open: whoever can reach it needs
 * no key. JSON over HTTP, failures as everywhere.
 */
export function createOperatorServer(
  { store, mail, replicas, ...rotations }: OperatorDeps & Rotations,
  log: FastifyBaseLogger,
  snapshots: Pick<Snapshots, 'take'> | null,
  signInUrl: () => string,
): FastifyInstance {
  const app = createServer({ log, trustedProxies: [], tls: null });
  const sockets = new OpenSockets(app.server);
  app.addHook('preClose', async () => sockets.cutAfter(stopGraceMs));
  app.get('/tenants', async () => (await listTenants(store)).map(({ id, name }) => ({ id, name })));
  app.post('/tenants', async (request, reply) => {
    const { name } = parseBody(NewTenant, request.body);
    return reply.code(201).send(await createTenant(store, operator, name));
  });
  app.post<{ Params: { id: string } }>('/tenants/:id/api-keys', async (request, reply) => {
    const { name, role } = parseBody(NewKey, request.body);
    const key = await recoverTenant(store, operator, request.params.id.toLowerCase(), { name, role, expiresAt: null });
    return reply.code(201).send(key);
  });
  app.post<{ Params: { id: string } }>('/tenants/:id/sign-in-link', async (request, reply) => {
    const { email } = parseBody(NewLink, request.body);
    const place = requirePlace({ signInUrl });
    const tenant = request.params.id.toLowerCase();
    const { secret, expiresAt } = await operatorLink({ store, mail }, operator, tenant, email);
    return reply.code(201).send({ url: linkUrl(place.url, secret), expiresAt: new Date(expiresAt).toISOString() });
  });
  app.post<{ Params: { id: string } }>('/tenants/:id/audit/verify', async (request) => {
    const tenant = request.params.id.toLowerCase();
    if (!(await listTenants(store)).some(({ id }) => id === tenant)) throw notFound();
    return verifyAudit(store, tenant);
  });
  addRotations(app, rotations, operator);
  app.get('/replicas', replicas);
  app.get('/backup', async (request, reply) => {
    if (snapshots === null) throw new ApiError('invalid_request', noBackupText);
    const { size, pieces, discard } = await snapshots.take();
    log.info({ bytes: size }, 'a backup is being taken');
    const stream = Readable.from(pieces, { objectMode: false });
    // Also when it was never read, because the other side has gone.
    stream.once('close', () => {
      discard().catch((error) => log.warn({ err: error }, 'a backup could not be closed'));
    });
    if (request.raw.destroyed) stream.destroy();
    return reply.header('content-length', size).type('application/octet-stream').send(stream);
  });
  return app;
}

/** Listens on `operator.sock` in the data directory, readable by this user alone from its first moment. */
export async function listenOperator(app: FastifyInstance, dataDir: string): Promise<void> {
  const path = join(dataDir, 'operator.sock');
  // Whoever owns the database owns the socket: one that lies here was left by a controller that is gone.
  rmSync(path, { force: true });
  await app.ready();
  await new Promise<void>((resolve, reject) => {
    app.server.once('error', (error: NodeJS.ErrnoException) => {
      const hint = 'a shorter SALLYPORT_DATA_DIR may help';
      reject(new OperatorError(`the operator socket ${path} cannot be made (${error.code}); ${hint}`));
    });
    // The socket is bound before listen returns, so its mode is right from the start.
    const umask = process.umask(0o177);
    app.server.listen(path, resolve);
    process.umask(umask);
  });
}

const noBackupText =
  'This controller keeps its data in PostgreSQL: back that up with pg_dump, and keep the master key (docs/postgresql.md)';

const operator: Actor = { kind: 'operator', id: null, name: 'operator' };

const { name, role } = CreateApiKey.shape;
const NewLink = z.strictObject({ email });
const NewTenant = z.strictObject({ name });
const NewKey = z.strictObject({ name: name.default('Recovery key'), role: role.unwrap().default('OWNER') });
