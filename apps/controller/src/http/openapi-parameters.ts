import {
  type FilterKind,
  type FilterOperator,
  filterOperators,
  isIdempotent,
  labelPattern,
  longestPattern,
  type Operation,
} from '@sallyport/contract';
import { z } from 'zod';
import { idempotencyKeyPattern } from './idempotency.ts';
import type { Components, JsonObject } from './openapi-schemas.ts';

/** Returns the parameters of an operation, without its body. */
export const parametersOf = (operation: Operation, schemas: Components): JsonObject[] => [
  ...fields('path', operation.params, schemas),
  ...fields('query', operation.query, schemas),
  ...Object.entries(operation.filters ?? {}).map(([field, kind]) => filter(field, kind)),
  ...headers(operation),
];

function fields(place: 'path' | 'query', schema: z.ZodType | undefined, schemas: Components): JsonObject[] {
  if (schema === undefined) return [];
  const { properties = {} } = schemas.inline(schema);
  const shape = schema instanceof z.ZodObject ? schema.shape : {};
  return Object.entries(properties as Record<string, JsonObject>).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || !shape[name]?.safeParse(undefined).success,
    description: description ?? fieldTexts[name] ?? `Id of the ${name.replace(/Id$/, '')}`,
    schema: rest,
  }));
}

const fieldTexts: Readonly<Record<string, string>> = {
  id: 'Id of the object',
  'dry-run': 'true answers what the request would change and writes nothing',
};

/** `filter[field][operator]=value` for one field, as an object whose properties are the operators. */
const filter = (field: string, kind: FilterKind): JsonObject => ({
  name: `filter[${field}]`,
  in: 'query',
  required: false,
  style: 'deepObject',
  explode: true,
  description: `Conditions on ${field} as filter[${field}][operator]=value; filter[${field}]=value means eq. in and nin take values joined by commas, ilike takes % for any text.`,
  schema: {
    type: 'object',
    properties: Object.fromEntries(filterOperators.map((operator) => [operator, filterValue(kind, operator)])),
    additionalProperties: false,
  },
});

function filterValue(kind: FilterKind, operator: FilterOperator): JsonObject {
  if (operator === 'ilike') return { type: 'string', maxLength: longestPattern };
  if (kind === 'text' || !['eq', 'ne', 'in', 'nin'].includes(operator)) return { type: 'string' };
  const one = patternsOf(kind);
  if (operator === 'in' || operator === 'nin') return { type: 'string', pattern: `^${one}(,${one})*$` };
  if (kind === 'label') return { type: 'string', pattern: `^${one}$` };
  return kind === 'id' ? { type: 'string', format: 'uuid' } : { type: 'string', enum: kind };
}

function patternsOf(kind: Exclude<FilterKind, 'text'>): string {
  if (kind === 'id') return uuidPattern;
  return kind === 'label' ? `(${labelPattern})?` : `(${kind.join('|')})`;
}

const uuidPattern = '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}';

const ifMatchText = ({ versioned, dryRun }: Operation): string =>
  [
    ...(versioned ? ['ETag of the object as it was read; 412 when the object has changed since'] : []),
    ...(dryRun ? ['ETag of the plan that a dry run answered; 412 when the tenant has changed since'] : []),
  ].join('. ');

function headers(operation: Operation): JsonObject[] {
  const { versioned, stream, dryRun } = operation;
  const list: JsonObject[] = [];
  const add = (name: string, description: string, schema: JsonObject) =>
    list.push({ name, in: 'header', required: false, description, schema: { type: 'string', ...schema } });
  if (stream === 'sse')
    add('Last-Event-ID', 'Id of the last event that was seen: the stream goes on behind it', {
      pattern: '^[0-9]{1,15}$',
    });
  if (isIdempotent(operation))
    add(
      'Idempotency-Key',
      'A repeat by the same caller within 24 hours gets the first answer again, without its secrets',
      { pattern: idempotencyKeyPattern },
    );
  if (versioned || dryRun) add('If-Match', ifMatchText(operation), {});
  return list;
}
