import {
  DryRun,
  type Operation,
  type OperationName,
  operations,
  type RequestBody,
  type ResponseBody,
} from '@sallyport/contract';
import { type HttpAnswer, send } from './http.ts';
import { foreignAnswer, problemFailure } from './problem.ts';

export interface Connection {
  /** Origin with an optional path, no slash at the end. */
  readonly url: string;
  /** Of the published API: empty or `/…`. */
  readonly basePath: string;
  /** Absent: requests go without one and are refused. */
  readonly apiKey?: string;
}

export interface Call<N extends OperationName> {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: RequestBody<N>;
  /** Entity tag that the object must still have. */
  readonly ifMatch?: string | undefined;
}

/** A call of whichever operation. */
type AnyCall = Omit<Call<OperationName>, 'body'> & { readonly body?: unknown };

/** An answer: as it was sent, and as the contract reads it. */
export interface Answer<T> {
  readonly text: string;
  readonly body: T;
  readonly etag: string | undefined;
}

/** Calls operations of the contract's table. Every failure is a `Failure`. */
export interface Client {
  call<N extends OperationName>(name: N, call?: Call<N>): Promise<Answer<ResponseBody<N>>>;
  /** Tries a write: what would change, nothing written. */
  dryRun<N extends OperationName>(name: N, call: Call<N>): Promise<Answer<DryRun>>;
}

export function createClient(connection: Connection): Client {
  return {
    async call<N extends OperationName>(name: N, call: Call<N> = {}) {
      const operation: Operation = operations[name];
      const answer = await request(connection, operation, call);
      return readAnswer(connection, answer, operation.response) as Answer<ResponseBody<N>>;
    },
    async dryRun(name, call) {
      const answer = await request(connection, operations[name], {
        ...call,
        query: { ...call.query, 'dry-run': 'true' },
      });
      return readAnswer(connection, answer, DryRun) as Answer<DryRun>;
    },
  };
}

/** A path below the base path with its parameters and query filled in. */
function pathOf(operation: Operation, call: AnyCall): string {
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = call.params?.[name];
    if (value === undefined) throw new TypeError(`${operation.operationId} needs the parameter ${name}`);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(call.query ?? {})) if (value !== undefined) query.append(name, value);
  return query.size === 0 ? path : `${path}?${query}`;
}

async function request(connection: Connection, operation: Operation, call: AnyCall): Promise<HttpAnswer> {
  const answer = await send({
    target: { kind: 'url', url: connection.url + connection.basePath + pathOf(operation, call) },
    method: operation.method,
    headers: {
      ...(connection.apiKey === undefined ? {} : { apikey: connection.apiKey }),
      ...(call.ifMatch === undefined ? {} : { 'if-match': call.ifMatch }),
    },
    body: call.body,
  });
  if (answer.status < 200 || answer.status > 299) throw problemFailure(answer, connection.url);
  return answer;
}

function readAnswer(connection: Connection, answer: HttpAnswer, schema: Operation['response']): Answer<unknown> {
  const { etag } = answer.headers;
  if (schema === undefined) return { text: answer.text, body: undefined, etag };
  const parsed = schema.safeParse(json(answer.text));
  if (!parsed.success) throw foreignAnswer(answer, connection.url);
  return { text: answer.text, body: parsed.data, etag };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
