import {
  DryRun,
  type Operation,
  type OperationName,
  operations,
  type RequestBody,
  type ResponseBody,
} from '@sallyport/contract';
import { type HttpAnswer, type HttpRequest, type HttpStream, openStream, send } from './http.ts';
import { foreignAnswer, type NameField, problemFailure } from './problem.ts';
import { events, lines, type Piece } from './stream.ts';

/** How requests reach the controller: address, key, and trust. */
export interface Connection {
  /** Origin with an optional path, no slash at the end. */
  readonly url: string;
  /** True when the user named no address; the address is then that of a controller on this host. */
  readonly assumed?: boolean;
  /** Path prefix of the published API: empty or `/…`. */
  readonly basePath: string;
  /** The API key. Without a key and a session the controller refuses most requests. */
  readonly apiKey?: string;
  /** The token of a signed-in person. It is not used beside an API key. */
  readonly sessionToken?: string;
  /** Allows the key to be sent over http:// to another host. */
  readonly insecure?: boolean;
  /** Certificate authorities to trust in addition to those of the system, as PEM. */
  readonly ca?: string;
  /** File that `ca` came from. */
  readonly caFile?: string;
  /** Timeout of an answer in milliseconds; the default is 30 seconds. */
  readonly answerMs?: number;
  /** Maps the JSON pointer of a wrong field to the option that set it; by default the pointer itself is shown. */
  readonly nameField?: NameField;
}

/** Query parameters. A list is sent as a repeated parameter. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Parameters, query and body of one call of an operation. */
export interface Call<N extends OperationName> {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Query;
  readonly body?: RequestBody<N>;
  /** Entity tag that the object must still have (`If-Match`). */
  readonly ifMatch?: string | undefined;
}

/** A call of any operation. */
type AnyCall = Omit<Call<OperationName>, 'body'> & { readonly body?: unknown };

/** An answer: the text as received, and the body as the contract parses it. */
export interface Answer<T> {
  readonly text: string;
  readonly body: T;
  readonly etag: string | undefined;
}

/** Calls operations from the contract's table. Every failure is a `Failure`. */
export interface Client {
  call<N extends OperationName>(name: N, call?: Call<N>): Promise<Answer<ResponseBody<N>>>;
  /** Tries a write: returns the changes it would make and writes nothing. */
  dryRun<N extends OperationName>(name: N, call: Call<N>): Promise<Answer<DryRun>>;
  /** Reads a streamed answer. */
  stream<N extends StreamName>(name: N, call: StreamCall): AsyncGenerator<Item<ResponseBody<N>>>;
}

/** Operations whose answer is a stream. */
export type StreamName = {
  [N in OperationName]: (typeof operations)[N] extends { stream: string } ? N : never;
}[OperationName];
/** Parameters of a streamed call. */
export interface StreamCall {
  readonly query?: Query;
  /** Resumes after the event with this id. */
  readonly lastEventId?: string | undefined;
  /** Called with the position of the stream before each item. */
  onId?(id: string): void;
}

/** One item of a streamed answer: the text as received, and the value as the contract parses it. */
export interface Item<T> {
  readonly text: string;
  readonly body: T;
}

/** Creates a client for one connection. */
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
    stream: <N extends StreamName>(name: N, call: StreamCall) =>
      readStream(connection, operations[name], call) as AsyncGenerator<Item<ResponseBody<N>>>,
  };
}

/** Returns the operation's path below the base path, with path parameters and query filled in. */
function pathOf(operation: Operation, call: AnyCall): string {
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = call.params?.[name];
    if (value === undefined) throw new TypeError(`${operation.method} ${operation.path} needs the parameter ${name}`);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(call.query ?? {}))
    for (const one of value === undefined ? [] : [value].flat()) query.append(name, one);
  return query.size === 0 ? path : `${path}?${query}`;
}

async function request(connection: Connection, operation: Operation, call: AnyCall): Promise<HttpAnswer> {
  const headers = call.ifMatch === undefined ? {} : { 'if-match': call.ifMatch };
  const answer = await send(requestOf(connection, operation, call, headers));
  if (answer.status < 200 || answer.status > 299) throw problemFailure(answer, connection.url, connection.nameField);
  return answer;
}

function requestOf(
  connection: Connection,
  operation: Operation,
  call: AnyCall,
  headers: Readonly<Record<string, string>>,
): HttpRequest {
  const { insecure, ca, answerMs } = connection;
  return {
    answerMs,
    target: { kind: 'url', url: connection.url + connection.basePath + pathOf(operation, call), insecure, ca },
    method: operation.method,
    headers: { ...credentialOf(connection), ...headers },
    body: call.body,
  };
}

/** Idle timeout of a stream. A controller sends a keep-alive more often than this. */
const IDLE_MS = 90_000;

function credentialOf({ apiKey, sessionToken }: Connection): Record<string, string> {
  if (apiKey !== undefined) return { apikey: apiKey };
  return sessionToken === undefined ? {} : { authorization: `Bearer ${sessionToken}` };
}

async function* readStream(
  connection: Connection,
  operation: Operation,
  call: StreamCall,
): AsyncGenerator<Item<unknown>> {
  const accept = operation.stream === 'sse' ? 'text/event-stream' : 'application/x-ndjson, application/json';
  const resume = call.lastEventId === undefined ? {} : { 'last-event-id': call.lastEventId };
  const stream = await openStream(requestOf(connection, operation, call, { accept, ...resume }), IDLE_MS);
  try {
    if (stream.status !== 200) throw problemFailure(await wholeAnswer(stream), connection.url, connection.nameField);
    const pieces: AsyncGenerator<Piece> = operation.stream === 'sse' ? events(stream.chunks) : lines(stream.chunks);
    for await (const { text, id } of pieces) {
      if (id !== undefined) call.onId?.(id);
      if (text === undefined) continue;
      const parsed = operation.response?.safeParse(json(text));
      if (parsed?.success !== true) throw foreignAnswer({ ...stream, text }, connection.url);
      yield { text, body: parsed.data };
    }
  } finally {
    stream.close();
  }
}

async function wholeAnswer({ status, headers, chunks }: HttpStream): Promise<HttpAnswer> {
  let text = '';
  for await (const chunk of chunks) text += chunk;
  return { status, headers, text };
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
