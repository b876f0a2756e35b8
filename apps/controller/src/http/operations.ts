import type { Duplex } from 'node:stream';
import {
  type DryRun,
  type Input,
  isIdempotent,
  type Operation,
  type OperationName,
  operations,
} from '@sallyport/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Change, Store, Tx, WriteContext } from '../db/store.ts';
import { ApiError, invalidField } from '../errors.ts';
import type { SecretBox } from '../secrets/box.ts';
import { type AuthDeps, authorise, cookieOf, guessCaller, returnCookie, sessionCookie } from './auth.ts';
import {
  type ActAnswer,
  type ActContext,
  type Answer,
  type Caller,
  etagOf,
  type Handler,
  type Handlers,
  JsonText,
  planned,
  planTagOf,
  type RequestContext,
} from './handlers.ts';
import { type IdempotentRequest, idempotentRequest, onceOnly, RunningRequests, type Sent } from './idempotency.ts';
import type { OpenStreams, StreamLimits } from './streams.ts';
import { type RawInput, validateInput } from './validate.ts';

/** The change of access that a dry run reports. */
export type AccessPreview = Omit<DryRun, 'changes' | 'revision'>;

/** What every operation is served with. */
export interface OperationDeps {
  readonly store: Store;
  readonly box: SecretBox;
  readonly auth: AuthDeps;
  /** Called inside the transaction of a dry run. The returned function is called after the rollback. */
  readonly preview: (tx: Tx, changes: readonly Change[]) => Promise<() => Promise<AccessPreview>>;
  /** Called with connections on which a key has authenticated. */
  readonly known: (socket: Duplex) => void;
  /** Counts writes with a body of this many bytes against the tenant's budget. Throws `rate_limited`. */
  readonly spendWrite: (tenant: string, bytes: number, writes: number) => void;
  readonly streams: OpenStreams;
  readonly streamLimits: StreamLimits;
}

/** Registers every operation of the contract that has a handler. */
export function registerOperations(
  app: FastifyInstance,
  basePath: string,
  deps: OperationDeps,
  handlers: Handlers,
): void {
  const running = new RunningRequests();
  app.addHook('preClose', async () => deps.streams.endAll());
  for (const name of Object.keys(operations) as OperationName[]) {
    const handler = handlers[name] as AnyHandler;
    const operation: Operation = operations[name];
    app.route({
      method: operation.method,
      url: basePath + operation.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      config: { operation: name, stream: operation.stream !== undefined },
      // A stream has no length for HEAD to report.
      ...(operation.stream === undefined ? {} : { exposeHeadRoute: false }),
      // Before the body is read, so that a request without a key parses nothing.
      onRequest: async (request) => {
        const guess = 'write' in handler && !isDryRun(request) ? guessCaller(deps.auth, request, operation) : null;
        const caller = guess ?? (await authorise(deps.auth, request, operation));
        if (caller === null) return;
        callers.set(request, caller);
        if (guess !== null) guesses.add(request);
        deps.known(request.raw.socket);
      },
      handler: (request, reply) =>
        served(deps.auth, operation, request, () => serve(deps, running, name, operation, handler, request, reply)),
    });
  }
  refuseShadowed(app, basePath);
}

/**
 * A path without parameters that fits another operation's pattern takes only its own methods: GET /policies/reorder is no
 * GET /policies/{id}.
 */
function refuseShadowed(app: FastifyInstance, basePath: string): void {
  const all = Object.values<Operation>(operations);
  for (const path of new Set(all.map(({ path }) => path).filter((path) => !path.includes('{')))) {
    const own = all.filter((operation) => operation.path === path).map(({ method }) => method);
    const shadowing = all.filter((operation) => operation.path !== path && patternOf(operation).test(path));
    for (const method of new Set(shadowing.map(({ method }) => method)))
      if (!own.includes(method))
        app.route({
          method,
          url: basePath + path,
          config: { refused: true },
          handler: (_, reply) => reply.callNotFound(),
        });
  }
}

const patternOf = ({ path }: Operation): RegExp => new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`);

type AnyHandler = Handler<OperationName>;
type AnyInput = Parameters<Extract<AnyHandler, { read: unknown }>['read']>[1];

const callers = new WeakMap<FastifyRequest, Caller>();
/** Requests whose caller is not confirmed yet. */
const guesses = new WeakSet<FastifyRequest>();

const isDryRun = ({ query }: FastifyRequest): boolean => (query as { 'dry-run'?: unknown })['dry-run'] !== undefined;

/** The caller is not who it was when its key was looked up last. */
class WrongGuess extends Error {}

/** Serves a request. When it fails and its caller was only guessed, the caller is looked up before it gets an answer. */
async function served<T>(auth: AuthDeps, operation: Operation, request: FastifyRequest, serve: () => Promise<T>) {
  try {
    return await serve();
  } catch (error) {
    if (!guesses.delete(request)) throw error;
    const caller = await authorise(auth, request, operation);
    if (!(error instanceof WrongGuess)) throw error;
    if (caller !== null) callers.set(request, caller);
    return serve();
  }
}

/** Does the work of a write, and looks its caller up meanwhile. The work is undone when the guess was wrong. */
async function confirmed<T>(
  { keys }: AuthDeps,
  tx: Tx,
  request: FastifyRequest,
  guess: Caller,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  const [isRight, done] = await Promise.allSettled([keys.confirm(tx, guess), work(tx)]);
  if (isRight.status === 'rejected') throw isRight.reason;
  if (!isRight.value) throw new WrongGuess();
  guesses.delete(request);
  if (done.status === 'rejected') throw done.reason;
  return done.value;
}

async function serve(
  deps: OperationDeps,
  running: RunningRequests,
  name: OperationName,
  operation: Operation,
  handler: AnyHandler,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  refuseIdempotency(operation, request);
  if ('act' in handler) {
    const answer = await handler.act(actContext(request), validateInput(operation, request as RawInput) as AnyInput);
    setCookies(reply, answer);
    return send(reply, operation.status, answer.version, bodyText(operation, answer));
  }
  const context = contextOf(request);
  const once = isIdempotent(operation) ? idempotentOf(context, request) : null;
  const input = validateInput(operation, request as RawInput) as AnyInput;
  if ('stream' in handler) {
    // Another role sees other things: a stream does not go on with it.
    const stillAllowed = async () =>
      (await authorise(deps.auth, request, operation).catch(() => null))?.role === context.caller.role;
    const how = { limits: deps.streamLimits, stillAllowed };
    return deps.streams.serve(operation, reply, how, (signal) => handler.stream(context, input, signal));
  }
  if ('read' in handler) {
    const answer = await running.guard(once, async () => handler.read(context, input));
    if (answer.total !== undefined) reply.header('x-total-count', String(answer.total));
    return send(reply, operation.status, answer.version, bodyText(operation, answer));
  }
  deps.spendWrite(context.tenant, bodyBytes(request), writesIn(name, input));
  const by = writeContext(context, name);
  const write = async (tx: Tx) => handler.write(tx, await planned(context, tx), input);
  if ((input.query as { 'dry-run'?: string } | undefined)?.['dry-run'] === 'true') {
    const { revision, changes, access } = await deps.store.dryRun(by, write, planOf(deps));
    reply.header('etag', planTagOf(revision));
    return send(reply, 200, undefined, JSON.stringify({ revision, changes, ...(await access()) }));
  }
  const work = (tx: Tx) => onceOnly(tx, deps.box, operation, once, async () => sentOf(operation, await write(tx)));
  const done = guesses.has(request) ? (tx: Tx) => confirmed(deps.auth, tx, request, context.caller, work) : work;
  const sent = await running.guard(once, () => deps.store.write(by, done));
  if (sent.etag !== null) reply.header('etag', sent.etag);
  if (sent.replayed) reply.header('idempotency-replayed', 'true');
  return send(reply, sent.status, undefined, sent.body);
}

/** Returns how many writes a request makes. */
const writesIn = (name: OperationName, { body }: AnyInput): number =>
  name === 'writeBatch' ? (body as unknown as Input<'writeBatch'>['body']).writes.length : 1;

function bodyBytes({ headers, body }: FastifyRequest): number {
  const length = headers['content-length'];
  return length === undefined ? (JSON.stringify(body) ?? '').length : Number(length);
}

function contextOf(request: FastifyRequest): RequestContext {
  const caller = callers.get(request);
  if (caller === undefined) throw new ApiError('unauthenticated');
  const lastEventId = request.headers['last-event-id'];
  return {
    tenant: caller.tenant,
    caller,
    requestId: request.id,
    sourceIp: request.ip,
    ifMatch: parseIfMatch(request),
    lastEventId: typeof lastEventId === 'string' ? lastEventId : null,
  };
}

function actContext(request: FastifyRequest): ActContext {
  const proxied = request.headers['x-forwarded-for'] !== undefined || request.headers.forwarded !== undefined;
  return {
    caller: callers.get(request) ?? null,
    requestId: request.id,
    sourceIp: request.ip,
    // Fastify lists addresses of proxies only where it trusts them.
    sourceKnown: !proxied || request.ips !== undefined,
    userAgent: (request.headers['user-agent'] ?? '').slice(0, 400),
    begun: cookieOf(request, returnCookie),
  };
}

function setCookies(reply: FastifyReply, { session, begun }: ActAnswer<OperationName>): void {
  if (session !== undefined) setCookie(reply, sessionCookie, session?.token, session?.maxAgeSeconds, 'Strict');
  if (begun !== undefined) setCookie(reply, returnCookie, begun?.sealed, begun?.maxAgeSeconds, 'Lax');
}

/** Without a value the browser forgets the cookie. */
function setCookie(reply: FastifyReply, name: string, value = '', maxAge = 0, sameSite: 'Strict' | 'Lax'): void {
  reply.header('set-cookie', `${name}=${value}; Path=/; Max-Age=${maxAge}; Secure; HttpOnly; SameSite=${sameSite}`);
}

/** Strong comparison: a weak tag matches nothing (RFC 9110, 13.1.1). */
function parseIfMatch(request: FastifyRequest): readonly string[] | null {
  const header = request.headers['if-match'];
  return header === undefined ? null : header.split(',').map((tag) => tag.trim());
}

/** A key without effect would let a program believe that it may repeat a request. */
function refuseIdempotency(operation: Operation, { headers }: FastifyRequest): void {
  if (operation.method === 'GET' || isIdempotent(operation) || headers['idempotency-key'] === undefined) return;
  throw invalidField('header/idempotency-key', 'is not accepted by this operation: its answers are not kept');
}

function idempotentOf(context: RequestContext, request: FastifyRequest): IdempotentRequest | null {
  return idempotentRequest(
    context.caller,
    request.headers['idempotency-key'],
    request.method,
    request.url,
    request.body,
  );
}

function writeContext(context: RequestContext, action: OperationName): WriteContext {
  const { tenant, caller, sourceIp, requestId } = context;
  return { tenant, actor: caller.actor, action, sourceIp, requestId };
}

const planOf = (deps: OperationDeps) => async (tx: Tx, changes: readonly Change[]) => ({
  revision: await tx.revision(),
  changes: changes.map(({ kind, id, op, action, name }) => ({
    action: action ?? (op === 'rekey' ? 'update' : op),
    kind,
    id,
    ...(name === undefined ? {} : { name }),
  })),
  access: await deps.preview(tx, changes),
});

function sentOf(operation: Operation, answer: Answer<OperationName>): Sent {
  const body = bodyText(operation, answer);
  return {
    status: operation.status,
    etag: answer.version === undefined ? null : etagOf(answer.version),
    body: body === null ? null : body.toString(),
  };
}

/** Serialised by the schema: a field that the contract does not know never leaves. */
function bodyText(operation: Operation, { body }: Answer<OperationName>): string | Buffer | null {
  if (operation.response === undefined) return null;
  return body instanceof JsonText ? body.text : JSON.stringify(operation.response.parse(body));
}

function send(
  reply: FastifyReply,
  status: number,
  version: number | undefined,
  body: string | Buffer | null,
): FastifyReply {
  reply.code(status);
  if (version !== undefined) reply.header('etag', etagOf(version));
  return body === null ? reply.send() : reply.type('application/json; charset=utf-8').send(body);
}
