import type { Input, OperationName, Output, Right, RoleType } from '@sallyport/contract';
import type { Tx } from '../db/store.ts';
import { ApiError } from '../errors.ts';
import type { StreamAnswer } from './streams.ts';

/** The API key of a request and what its role may do. */
export interface Caller {
  readonly tenant: string;
  readonly keyId: string;
  readonly keyName: string;
  readonly role: RoleType;
  readonly rights: readonly Right[];
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

/** JSON text that is ready to be sent. The feature makes it from its schema once per change. */
export class JsonText {
  readonly text: string | Buffer;

  constructor(text: string | Buffer) {
    this.text = text;
  }
}

/** A successful answer. */
export interface Answer<N extends OperationName> {
  readonly body: Output<N> | JsonText;
  /** Version of the object, sent as its ETag. */
  readonly version?: number | undefined;
}

/**
 * The code of an operation: a read, a write or a stream. A write runs inside the given transaction; its answer is made
 * before the commit and sent after it, and `?dry-run=true` runs the same function and undoes it. A stream continues until
 * its signal aborts; a failure before the returned promise resolves is answered as a problem.
 */
export type Handler<N extends OperationName> =
  | { readonly read: (context: RequestContext, input: Input<N>) => Promise<Answer<N>> | Answer<N> }
  | { readonly write: (tx: Tx, context: RequestContext, input: Input<N>) => Promise<Answer<N>> }
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

/** Refuses the write when the caller has read another version of the object (If-Match). */
export function requireVersion(context: RequestContext, version: number): void {
  const { ifMatch } = context;
  if (ifMatch === null || ifMatch.includes('*') || ifMatch.includes(etagOf(version))) return;
  throw new ApiError('precondition_failed');
}

/** Returns the entity tag of a version. */
export const etagOf = (version: number): string => `"${version}"`;
