import type { Input, Operation, OperationName, Output, Right, RoleType } from '@sallyport/contract';
import type { Actor, Tx } from '../db/store.ts';
import { ApiError } from '../errors.ts';
import type { StreamAnswer } from './streams.ts';

/** Who calls: an API key or a signed-in person, and what the role may do. */
export interface Caller {
  readonly tenant: string;
  readonly actor: Actor & { readonly id: string };
  readonly role: RoleType;
  readonly rights: readonly Right[];
  /** The session of a person; null for an API key. */
  readonly session: CallerSession | null;
}

/** The session that a request belongs to. The person is the caller's actor. */
export interface CallerSession {
  readonly id: string;
  /** Latest time at which the session ends, epoch milliseconds. */
  readonly expiresAt: number;
  /** Until when the sign-in counts as fresh, epoch milliseconds. */
  readonly freshUntil: number;
}

/** What a handler knows about its request beside the input. */
export interface RequestContext {
  readonly tenant: string;
  readonly caller: Caller;
  readonly requestId: string;
  readonly sourceIp: string;
  /** ETags of If-Match, `*` alone for any; null without the header. */
  readonly ifMatch: readonly string[] | null;
  /** Last-Event-ID of a client that resumes a stream; null without the header. */
  readonly lastEventId: string | null;
}

/** What is known about a request that may have no caller. */
export interface ActContext {
  readonly caller: Caller | null;
  readonly requestId: string;
  readonly sourceIp: string;
  /** False where a proxy that is not trusted hides the source: all its clients would share one address. */
  readonly sourceKnown: boolean;
  /** How the program calls itself; empty without the header. */
  readonly userAgent: string;
  /** What a sign-in through a provider left in this browser; null without it. */
  readonly begun: string | null;
}

/** The answer of an operation that can begin or end a session. */
export interface ActAnswer<N extends OperationName> extends Answer<N> {
  /** A new session, or null to forget the present one. Left out: the cookie stays as it is. */
  readonly session?: NewSession | null;
  /** What the return from a provider needs, or null to forget it. Left out: the cookie stays as it is. */
  readonly begun?: BegunCookie | null;
}

/** A sign-in through a provider that was begun, sealed for its cookie. */
export interface BegunCookie {
  readonly sealed: string;
  readonly maxAgeSeconds: number;
}

/** A session that has just begun. The token is in its cookie only. */
export interface NewSession {
  readonly token: string;
  readonly maxAgeSeconds: number;
}

/** JSON text that is ready to be sent. The feature makes it from its schema once per change. */
export class JsonText {
  readonly text: string | Buffer;

  constructor(text: string | Buffer) {
    this.text = text;
  }
}

/** Returns an answer of `fields=summary`, serialised by its schema. */
export const summaryText = (operation: Operation, body: unknown): JsonText =>
  new JsonText(JSON.stringify(operation.summaryResponse?.parse(body)));

/** A successful answer. */
export interface Answer<N extends OperationName> {
  readonly body: Output<N> | JsonText;
  /** Version of the object, sent as its ETag. */
  readonly version?: number | undefined;
  /** Entries of the whole list, sent as `X-Total-Count`. */
  readonly total?: number | undefined;
}

/**
 * An operation is one of four things:
 * - A read.
 * - A write inside the transaction that it is given. Its answer is made before the commit and sent after it.
 *   `?dry-run=true` runs the same function and undoes it.
 * - An act of sign-in. It does its own writes, because it hashes passwords first, and it can set the session cookie.
 * - A stream, which goes on until its signal says that the reader has gone. A failure before the returned promise resolves
 *   is answered as a problem.
 */
export type Handler<N extends OperationName> =
  | { readonly read: (context: RequestContext, input: Input<N>) => Promise<Answer<N>> | Answer<N> }
  | { readonly write: (tx: Tx, context: RequestContext, input: Input<N>) => Promise<Answer<N>> }
  | { readonly act: (context: ActContext, input: Input<N>) => Promise<ActAnswer<N>> }
  | {
      readonly stream: (
        context: RequestContext,
        input: Input<N>,
        signal: AbortSignal,
      ) => Promise<StreamAnswer<Output<N>>>;
    };

/** A handler for each of the operations. */
export type Handlers<N extends OperationName = OperationName> = { readonly [K in N]: Handler<K> };

/** Returns whether the caller's role has a right. */
export const may = (context: RequestContext, right: Right): boolean => context.caller.rights.includes(right);

/** Whether answers carry enrolment tokens of gateways. People get them masked and ask for one at a time. */
export const seesTokens = ({ caller }: RequestContext): boolean =>
  caller.session === null && caller.rights.includes('deploy');

/** Refuses the write when the caller has read another version of the object (If-Match). */
export function requireVersion(context: RequestContext, version: number): void {
  const { ifMatch } = context;
  if (ifMatch === null || ifMatch.includes('*') || ifMatch.includes(etagOf(version))) return;
  throw new ApiError('precondition_failed');
}

/** Returns the entity tag of a version. */
export const etagOf = (version: number): string => `"${version}"`;

/** Returns the entity tag of a plan that was made at a revision of the tenant. */
export const planTagOf = (revision: number): string => `"r${revision}"`;

/**
 * Refuses the write when it repeats the tag of a plan (If-Match), and the tenant has changed since. Returns the context for
 * the handler, which checks the tags of its object.
 */
export async function planned(context: RequestContext, tx: Pick<Tx, 'revision'>): Promise<RequestContext> {
  const { ifMatch } = context;
  const others = ifMatch?.filter((tag) => !/^"r[0-9]+"$/.test(tag)) ?? [];
  if (ifMatch === null || others.length === ifMatch.length) return context;
  if (ifMatch.includes(planTagOf(await tx.revision()))) return { ...context, ifMatch: null };
  if (others.length === 0)
    throw new ApiError('precondition_failed', 'The tenant has changed since the plan was made: make the plan again');
  return { ...context, ifMatch: others };
}
