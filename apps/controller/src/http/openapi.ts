import { DryRun, errorCatalogue, filterOperators, type Operation, operations, Problem } from '@sallyport/contract';
import { z } from 'zod';
import { contentTypes } from './streams.ts';

type JsonObject = Record<string, unknown>;

/** The OpenAPI 3.1 document of the API, made from the table that the server itself runs on. */
export function openApiDocument(basePath: string, version: string): JsonObject {
  const schemas = new Components();
  const paths: Record<string, JsonObject> = {};
  for (const operation of Object.values<Operation>(operations)) {
    paths[operation.path] ??= {};
    Object.assign(paths[operation.path] as JsonObject, {
      [operation.method.toLowerCase()]: describe(operation, schemas),
    });
  }
  for (const schema of [Problem, DryRun]) schemas.output(schema);
  return {
    openapi: '3.1.1',
    info: {
      title: 'Sallyport',
      version,
      description: 'Zero-trust network access over WireGuard. The tenant is selected by the API key.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: basePath || '/' }],
    security: [{ apikey: [] }],
    tags: [...new Set(Object.values<Operation>(operations).map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: schemas.all(),
      securitySchemes: { apikey: { type: 'apiKey', in: 'header', name: 'apikey' } },
      responses: {
        Problem: { description: problemText, content: { 'application/problem+json': { schema: ref('Problem') } } },
      },
    },
  };
}

const problemText = `A failure. \`code\` is one of ${Object.keys(errorCatalogue).join(', ')}.`;

function describe(operation: Operation, schemas: Components): JsonObject {
  const { operationId, tag, summary, body } = operation;
  return {
    operationId,
    tags: [tag],
    summary,
    parameters: [
      ...parameters('path', operation.params, schemas),
      ...parameters('query', operation.query, schemas),
      ...(operation.filters === undefined ? [] : [filterParameter(operation.filters)]),
      ...headers(operation),
    ],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemas.input(body) } } } }),
    responses: responses(operation, schemas),
  };
}

function parameters(place: 'path' | 'query', schema: z.ZodType | undefined, schemas: Components): JsonObject[] {
  if (schema === undefined) return [];
  const { properties = {} } = schemas.inline(schema);
  const fields = schema instanceof z.ZodObject ? schema.shape : {};
  return Object.entries(properties as Record<string, JsonObject>).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || !fields[name]?.safeParse(undefined).success,
    ...(description === undefined ? {} : { description }),
    schema: rest,
  }));
}

const filterParameter = (fields: readonly string[]): JsonObject => ({
  name: 'filter',
  in: 'query',
  required: false,
  style: 'deepObject',
  explode: true,
  description: `filter[field][operator]=value; the operator is eq when left out. Fields: ${fields.join(', ')}. Operators: ${filterOperators.join(', ')}`,
  schema: { type: 'object', additionalProperties: true },
});

function headers({ method, params, stream }: Operation): JsonObject[] {
  const header = (name: string, description: string) => ({
    name,
    in: 'header',
    description,
    schema: { type: 'string' },
  });
  const list = [];
  if (stream === 'sse') list.push(header('Last-Event-ID', 'Id of the last event that was seen: goes on behind it'));
  if (method !== 'GET')
    list.push(
      header(
        'Idempotency-Key',
        'A repeat by the same API key within 24 hours gets the first answer again, without its secrets',
      ),
    );
  if (method !== 'GET' && params !== undefined)
    list.push(header('If-Match', 'ETag of the object as it was read; 412 when it has changed since'));
  return list;
}

function responses({ status, response, dryRun, stream }: Operation, schemas: Components): JsonObject {
  const type = stream === undefined ? 'application/json' : (contentTypes[stream].split(';')[0] ?? '');
  const json = (schema: JsonObject) => ({ content: { [type]: { schema } } });
  const success = response === undefined ? null : schemas.output(response);
  const plan = dryRun ? ref('DryRun') : null;
  const bodies = [success, status === 200 ? plan : null].filter((schema) => schema !== null);
  const answer = bodies.length === 0 ? {} : json(bodies.length === 1 ? (bodies[0] as JsonObject) : { oneOf: bodies });
  return {
    [status]: { description: response === undefined ? 'Done' : success200[stream ?? 'whole'], ...answer },
    ...(plan !== null && status !== 200
      ? { 200: { description: 'What ?dry-run=true would change', ...json(plan) } }
      : {}),
    default: { $ref: '#/components/responses/Problem' },
  };
}

const success200 = {
  whole: 'Success',
  ndjson: 'JSON lines: the schema is that of one line',
  sse: 'Server-Sent Events: the schema is that of the data of one event',
};

const ref = (name: string): JsonObject => ({ $ref: `#/components/schemas/${name}` });

/** Schemas with an id, each once. What a client sends and what it gets may differ in form: then the first has `Input`. */
class Components {
  readonly #schemas = new Map<string, JsonObject>();

  input(schema: z.ZodType): JsonObject {
    return this.#add(schema, 'input');
  }

  output(schema: z.ZodType): JsonObject {
    return this.#add(schema, 'output');
  }

  /** The schema itself, with nothing taken out. */
  inline(schema: z.ZodType): JsonObject {
    return convert(schema, 'input').root;
  }

  all(): JsonObject {
    return Object.fromEntries([...this.#schemas].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #add(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
    const { root, definitions } = convert(schema, io);
    for (const [id, definition] of Object.entries(definitions)) {
      const known = this.#schemas.get(id);
      if (known !== undefined && JSON.stringify(known) !== JSON.stringify(definition))
        throw new Error(`two schemas are called ${id}`);
      this.#schemas.set(id, definition);
    }
    return root;
  }
}

function convert(
  schema: z.ZodType,
  io: 'input' | 'output',
): { root: JsonObject; definitions: Record<string, JsonObject> } {
  // Wrapped, so that a schema with an id is a reference at the root too.
  const { $defs = {}, properties } = z.toJSONSchema(z.object({ root: schema }), {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      // Answers may grow: a client made from this document must not refuse a field that it does not know.
      if (io === 'output') delete jsonSchema.additionalProperties;
      // The pattern of a format repeats it at length; the bounds of a safe integer say nothing.
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      delete jsonSchema.id;
    },
  });
  const moved = JSON.parse(JSON.stringify({ $defs, properties }).replaceAll('#/$defs/', '#/components/schemas/'));
  const root: JsonObject = moved.properties.root;
  const id = typeof root.$ref === 'string' ? root.$ref.split('/').at(-1) : undefined;
  const alone = id !== undefined && schema.meta()?.id === undefined ? (moved.$defs[id] ?? root) : root;
  return { root: alone, definitions: moved.$defs };
}
