import type { FieldError, OperationName, RequestBody, ResponseBody } from '@sallyport/contract';

/** A failure that the controller answered, or that no answer came. */
export class ApiFailure extends Error {
  override readonly name = 'ApiFailure';
  /** Stable code of the error catalogue; `unreachable` without an answer. */
  readonly code: string;
  readonly fields: readonly FieldError[];
  readonly requestId: string | undefined;

  constructor(code: string, message: string, fields: readonly FieldError[] = [], requestId?: string) {
    super(message);
    this.code = code;
    this.fields = fields;
    this.requestId = requestId;
  }

  /** What is wrong with a field of a form, by its JSON pointer. */
  field(pointer: string): string | undefined {
    return this.fields.find((field) => field.pointer === pointer)?.message;
  }
}

/** An answer, and the version of the object in it. `If-Match` repeats the version. */
export interface Versioned<T> {
  readonly value: T;
  readonly version: string | null;
}

/** Calls an operation by its method and path. `N` names the operation, for the types of body and answer. */
export async function call<N extends OperationName>(
  method: string,
  path: string,
  body?: RequestBody<N>,
  headers: Record<string, string> = {},
): Promise<ResponseBody<N>> {
  return (await request<ResponseBody<N>>(method, path, body, headers)).value;
}

/** Reads an object with its version. */
export const getVersioned = <N extends OperationName>(path: string): Promise<Versioned<ResponseBody<N>>> =>
  request('GET', path);

/** Sends any request, and returns the answer with its version. */
export async function request<T>(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Versioned<T>> {
  const { content, headers: answered } = await answerOf(method, path, body, { headers });
  return { value: content as T, version: answered.get('etag') };
}

/** Sends a request. Returns content and headers of the answer, and throws `ApiFailure` for a refusal. */
export async function answerOf(
  method: string,
  path: string,
  body: unknown,
  options: Pick<RequestInit, 'signal'> & { headers?: Record<string, string> } = {},
): Promise<{ content: unknown; headers: Headers }> {
  const { headers = {}, signal = null } = options;
  const answer = await fetch(path, {
    method,
    signal,
    credentials: 'same-origin',
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch((error) => {
    if (signal?.aborted === true) throw error;
    throw new ApiFailure('unreachable', 'The controller does not answer. Check the network, and whether it runs.');
  });
  const text = await answer.text();
  const content = text === '' ? undefined : JSON.parse(text);
  if (answer.ok) return { content, headers: answer.headers };
  const { code = 'internal', title = answer.statusText, detail, errors, requestId } = content ?? {};
  if (code === 'fresh_sign_in_required' && (await askForFreshSignIn())) return answerOf(method, path, body, options);
  throw new ApiFailure(code, detail ?? sentence(title), errors ?? [], requestId);
}

export const get = <N extends OperationName>(path: string): Promise<ResponseBody<N>> => call<N>('GET', path);

const sentence = (title: string): string => (/[.!?]$/.test(title) ? title : `${title}.`);

let askForFreshSignIn: () => Promise<boolean> = async () => false;

/** Names the dialog that asks for a new sign-in. It resolves to whether the person has signed in. */
export function onFreshSignIn(ask: () => Promise<boolean>): void {
  askForFreshSignIn = ask;
}

/** Returns a failure of any kind as one that forms can show. */
export const failureOf = (error: unknown): ApiFailure =>
  error instanceof ApiFailure ? error : new ApiFailure('internal', messageOf(error));

/** What to show of a failure of any kind. */
export const messageOf = (error: unknown): string =>
  error instanceof ApiFailure ? error.message : 'The console failed. Reload the page; if it happens again, report it.';
