import type { Input, OperationName, Output, Right, RoleType } from '@sallyport/contract';
import type { Tx } from '../db/store.ts';
import { ApiError } from '../errors.ts';
import type { StreamAnswer } from './streams.ts';

/** Who calls: an API key and what its role may do. */
export interface Caller {
  readonly tenant: string;
  readonly keyId: string;
  readonly keyName: string;
  readonly role: RoleType;
  readonly rights: readonly Right[];
}

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

/** JSON that is ready to be sent: made by the feature from its schema, once per change. */
export class JsonText {
  readonly text: string | Buffer;

  constructor(text: string | Buffer) {
    this.text = text;
  }
}

export interface Answer<N extends OperationName> {
  readonly body: Output<N> | JsonText;
  /** Version of the object, sent as its ETag. */
  readonly version?: number | undefined;
}

/**
 * An operation is a read, or a write that runs inside the transaction it is given: its answer is made before the
 * commit and sent after it; `?dry-run=true` runs the same function and undoes it. Or it is a stream, which goes on until
 * its signal says that nobody reads any more; what fails before the returned promise resolves is answered as a problem.
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

export type Handlers<N extends OperationName = OperationName> = { readonly [K in N]: Handler<K> };

export const may = (context: RequestContext, right: Right): boolean => context.caller.rights.includes(right);

/** Refuses the write when the caller has read another version of the object (If-Match). */
export function requireVersion(context: RequestContext, version: number): void {
  const { ifMatch } = context;
  if (ifMatch === null || ifMatch.includes('*') || ifMatch.includes(etagOf(version))) return;
  throw new ApiError('precondition_failed');
}

export const etagOf = (version: number): string => `"${version}"`;
