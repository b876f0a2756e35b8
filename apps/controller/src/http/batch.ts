import {
  type BatchWrite,
  errorCatalogue,
  type FieldError,
  isBatchable,
  type Operation,
  type OperationName,
  operations,
} from '@sallyport/contract';
import type { Tx } from '../db/store.ts';
import { ApiError, invalidField } from '../errors.ts';
import { breathe } from '../slices.ts';
import { type Answer, etagOf, type Handler, type Handlers, type RequestContext } from './handlers.ts';
import { validateInput } from './validate.ts';

/** Operations apart from the batch itself. */
type Single = Exclude<OperationName, 'writeBatch'>;
type Write = (tx: Tx, context: RequestContext, input: unknown) => Promise<Answer<OperationName>>;

/** Longest time between two breaths, milliseconds. Other writes wait for the whole batch, everything else does not. */
const sliceMs = 8;

/** Returns the handler that makes several writes in one transaction, each with its own handler. */
export function createBatch(handlers: Handlers<Single>): Handler<'writeBatch'> {
  const routes = batchRoutes();
  return {
    write: async (tx, context, { body: { writes } }) => {
      const answers = [];
      let began = performance.now();
      for (const [at, write] of writes.entries()) {
        const route = routes.find((one) => one.operation.method === write.method && one.pattern.test(write.path));
        if (route === undefined) throw invalidField(`/writes/${at}/path`, 'is not a write that a batch can hold');
        const { write: run } = handlers[route.name] as unknown as { readonly write: Write };
        answers.push(await inPlace(at, write, () => make(tx, context, route, run, write)));
        if (performance.now() - began < sliceMs) continue;
        await breathe();
        began = performance.now();
      }
      return { body: { answers } };
    },
  };
}

interface Route {
  readonly name: Single;
  readonly operation: Operation;
  readonly pattern: RegExp;
}

/** Operations that a batch can hold. Paths without parameters come first, as `/policies/reorder` is no policy. */
function batchRoutes(): Route[] {
  const all = Object.entries(operations) as [OperationName, Operation][];
  return all
    .filter((entry): entry is [Single, Operation] => entry[0] !== 'writeBatch' && isBatchable(entry[1]))
    .map(([name, operation]) => ({ name, operation, pattern: patternOf(operation.path) }))
    .sort((a, b) => Number(a.operation.path.includes('{')) - Number(b.operation.path.includes('{')));
}

const patternOf = (path: string): RegExp => new RegExp(`^${path.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`);

async function make(
  tx: Tx,
  context: RequestContext,
  { name, operation, pattern }: Route,
  run: Write,
  given: BatchWrite,
) {
  const params = pattern.exec(given.path)?.groups ?? {};
  const input = validateInput(operation, { params, query: {}, body: given.body });
  const own = { ...context, ifMatch: given.ifMatch === undefined ? null : [given.ifMatch] };
  const part: Tx = { ...tx, changed: (change) => tx.changed({ ...change, operation: name }) };
  const { body, version } = await run(part, own, input);
  return { status: operation.status, ...idOf(body), ...(version === undefined ? {} : { etag: etagOf(version) }) };
}

/** Returns the id of the object that a write answers. Answers hold secrets, so nothing else of them is repeated. */
function idOf(body: unknown): { id?: string } {
  const id = typeof body === 'object' && body !== null && 'id' in body ? body.id : undefined;
  return typeof id === 'string' ? { id } : {};
}

/** Says in failures which write of the batch they are about. */
async function inPlace<T>(at: number, { method, path }: BatchWrite, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { code, detail = errorCatalogue[code].title, fields, retryAfter } = error;
    const shown = fields.length === 0 ? [{ pointer: '', message: detail }] : fields;
    const placed = shown.map((field) => ({ ...field, pointer: `/writes/${at}${pointerOf(fields, field)}` }));
    throw new ApiError(code, `${method} ${path}: ${detail}`, placed, retryAfter);
  }
}

/** Returns where a field of the single request is within the write of the batch. */
function pointerOf(fields: readonly FieldError[], { pointer }: FieldError): string {
  if (fields.length === 0) return '';
  return pointer.startsWith('path/') ? '/path' : `/body${pointer}`;
}
