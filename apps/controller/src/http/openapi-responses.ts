import { type ErrorCode, errorCatalogue, failuresOf, type Operation } from '@sallyport/contract';
import { type Components, type JsonObject, ref } from './openapi-schemas.ts';
import { contentTypes } from './streams.ts';

/** Returns the answers of an operation by status: its success, its dry run, and each failure that it can meet. */
export const responsesOf = (operation: Operation, schemas: Components, failures: FailureResponses): JsonObject => ({
  ...successes(operation, schemas),
  ...failures.of(operation),
});

function successes(operation: Operation, schemas: Components): JsonObject {
  const { method, status, response, dryRun, stream, versioned } = operation;
  const type = stream === undefined ? 'application/json' : (contentTypes[stream].split(';')[0] ?? '');
  const json = (schema: JsonObject) => ({ content: { [type]: { schema } } });
  const plan = dryRun ? ref('DryRun') : null;
  const named = [
    ...(versioned && status !== 204 ? ['ETag'] : []),
    ...(method === 'GET' ? [] : ['Idempotency-Replayed']),
    ...(operation.counted ? ['X-Total-Count'] : []),
  ];
  const headers = headersOf(named);
  if (response === undefined)
    return { [status]: { description: withoutBody(operation), ...headers }, ...planOf(operation) };
  const { summaryResponse } = operation;
  const success =
    summaryResponse === undefined
      ? schemas.output(response)
      : { anyOf: [schemas.output(response), schemas.output(summaryResponse)] };
  const schema = plan !== null && status === 200 ? { oneOf: [success, plan] } : success;
  const description = successTexts[stream ?? 'whole'];
  return { [status]: { description, ...headers, ...json(schema) }, ...planOf(operation) };
}

const headersOf = (names: readonly string[]): JsonObject =>
  names.length === 0
    ? {}
    : { headers: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }])) };

/** Adds the answer 200 of a dry run when the success has another status. */
const planOf = ({ status, dryRun }: Operation): JsonObject =>
  dryRun && status !== 200
    ? {
        200: {
          description: 'What the request would change (?dry-run=true)',
          content: { 'application/json': { schema: ref('DryRun') } },
        },
      }
    : {};

/** OpenAPI has no way to say that a body with a schema may be missing: the one operation like this says it in words. */
const withoutBody = ({ status, dryRun }: Operation): string =>
  dryRun && status === 200
    ? 'Done; without a body, but for ?dry-run=true, which answers a DryRun as JSON'
    : 'Done; without a body';

const successTexts = {
  whole: 'Success',
  ndjson: 'JSON lines: the schema is that of one line',
  sse: 'Server-Sent Events: the schema is that of the data of one event',
};

/** Failures as shared responses, one for each set of codes that some operation can answer with at one status. */
export class FailureResponses {
  readonly #shared = new Map<string, JsonObject>();

  of(operation: Operation): JsonObject {
    const byStatus = Map.groupBy(failuresOf(operation), (code) => errorCatalogue[code].status);
    return Object.fromEntries([...byStatus].map(([status, codes]) => [status, this.#reference(codes)]));
  }

  all(): JsonObject {
    return Object.fromEntries([...this.#shared].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #reference(codes: readonly ErrorCode[]): JsonObject {
    const name = codes.join('.');
    if (!this.#shared.has(name)) this.#shared.set(name, problemResponse(codes));
    return { $ref: `#/components/responses/${name}` };
  }
}

const problemResponse = (codes: readonly ErrorCode[]): JsonObject => ({
  description: codes.map((code) => `\`${code}\`: ${errorCatalogue[code].title}`).join('; '),
  ...headersOf(codes.some((code) => code === 'rate_limited' || code === 'storage_full') ? ['Retry-After'] : []),
  content: {
    'application/problem+json': {
      schema: { allOf: [ref('Problem'), { type: 'object', properties: { code: { type: 'string', enum: codes } } }] },
    },
  },
});
