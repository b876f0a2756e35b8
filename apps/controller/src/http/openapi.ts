import { DryRun, type Operation, operations, Problem, rightsOfRole, tags } from '@sallyport/contract';
import { sessionCookie } from './auth.ts';
import { parametersOf } from './openapi-parameters.ts';
import { FailureResponses, responsesOf } from './openapi-responses.ts';
import { Components, type JsonObject } from './openapi-schemas.ts';

/** Returns the OpenAPI 3.1 document of the API, made from the table of operations that the server uses. */
export function openApiDocument(basePath: string, version: string): JsonObject {
  const schemas = new Components();
  const failures = new FailureResponses();
  const paths: Record<string, JsonObject> = {};
  for (const [name, operation] of Object.entries<Operation>(operations)) {
    paths[operation.path] ??= {};
    Object.assign(paths[operation.path] as JsonObject, {
      [operation.method.toLowerCase()]: describe(name, operation, schemas, failures),
    });
  }
  for (const schema of [Problem, DryRun]) schemas.output(schema);
  return {
    openapi: '3.1.1',
    info: {
      title: 'Sallyport',
      version,
      description: 'Zero-trust network access over WireGuard. The API key or the session selects the tenant.',
      contact: { name: 'The operator of this controller' },
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: basePath || '/', description: 'The controller that this document comes from' }],
    security: [{ apikey: [] }, { session: [] }, { bearer: [] }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: schemas.all(),
      responses: failures.all(),
      headers: {
        ETag: { description: 'Version of the object, for If-Match', schema: { type: 'string' } },
        'Idempotency-Replayed': {
          description: '`true` where an earlier request with this Idempotency-Key is answered again, without secrets',
          schema: { type: 'string', const: 'true' },
        },
        'X-Total-Count': {
          description: 'Entries of the whole list with the filters applied, when the query asks for some of them',
          schema: { type: 'integer' },
        },
        'Retry-After': {
          description: 'Seconds to wait, where they are known',
          schema: { type: 'integer', minimum: 0 },
        },
      },
      securitySchemes: {
        apikey: {
          type: 'apiKey',
          in: 'header',
          name: 'apikey',
          description: 'A key of the tenant; its role says what it may do',
        },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: sessionCookie,
          description: 'The cookie of a signed-in browser. It counts for requests from pages of the controller only',
        },
        bearer: { type: 'http', scheme: 'bearer', description: 'The session of a signed-in program' },
      },
    },
  };
}

function describe(name: string, operation: Operation, schemas: Components, failures: FailureResponses): JsonObject {
  const { tag, summary, body } = operation;
  return {
    operationId: name,
    tags: [tag],
    summary,
    description: descriptionOf(operation),
    ...securityOf(operation),
    parameters: parametersOf(operation, schemas),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemas.input(body) } } } }),
    responses: responsesOf(operation, schemas, failures),
  };
}

/** Returns the facts of the table that have no field of their own in the document. */
function descriptionOf(operation: Operation): string {
  const { summary, description, right, ignoredFields = [], dryRun, fresh } = operation;
  const sentences = [
    description ?? `${summary}.`,
    rightText(right),
    ...(fresh ? ['A session must have signed in within the last ten minutes.'] : []),
    ...(dryRun ? ['With `?dry-run=true` it answers what would change, and writes nothing.'] : []),
    ...(ignoredFields.length > 0
      ? [`These fields of an answer are taken and ignored: ${ignoredFields.join(', ')}.`]
      : []),
  ];
  return sentences.join(' ');
}

function rightText(right: Operation['right']): string {
  if (right === null) return 'Anybody may call it, without a key or a session.';
  if (right === 'self') return 'Only signed-in people may call it: an API key belongs to no person.';
  const roles = Object.entries(rightsOfRole).filter(([, rights]) => rights.includes(right));
  return `Needs the right \`${right}\`, which these roles have: ${roles.map(([role]) => role).join(', ')}.`;
}

function securityOf({ right }: Operation): JsonObject {
  if (right === null) return { security: [] };
  return right === 'self' ? { security: [{ session: [] }, { bearer: [] }] } : {};
}
