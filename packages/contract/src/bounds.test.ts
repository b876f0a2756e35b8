import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { excessOf, hasFew, list, parseBounded, readBounded, recordBounds, recordOf } from './bounds.ts';
import { AgentMessage, ControllerMessage, LiveMessage, SignedStatement, Snapshot } from './channel/index.ts';
import { batchBody } from './http/batch.ts';
import { ignored } from './http/common.ts';
import { ClientStatus, LocalReply, LocalRequest } from './local/index.ts';
import { type Operation, operations } from './operations.ts';

/** Maximum nesting of containers. */
const deepest = 8;

/** Returns the unbounded parts of a schema: strings, lists, records, nesting, and schemas that accept any value. */
function unbounded(schema: z.core.$ZodType, path: string, depth = 0): string[] {
  const { def } = schema._zod;
  const inner = (part: z.core.$ZodType, name = '', levels = 0) => unbounded(part, path + name, depth + levels);
  if (depth > deepest) return [`${path} is nested more than ${deepest} levels`];
  const type = def as z.core.$ZodTypes['_zod']['def'] satisfies { type: string };
  switch (type.type) {
    case 'string':
      return isBoundedString(schema as z.core.$ZodString) ? [] : [`${path} is a string without max`];
    case 'array':
      return [...(hasMaximum(def) ? [] : [`${path} is an array without max`]), ...inner(type.element, '[]', 1)];
    case 'record':
      return [
        ...(recordBounds.has(schema) ? [] : [`${path} is a record without a bound`]),
        ...inner(type.keyType, '{key}', 1),
        ...inner(type.valueType, '{}', 1),
      ];
    case 'object':
      return [
        ...(isClosed(type) || recordBounds.has(schema) ? [] : [`${path} is an object with any keys`]),
        ...Object.entries(type.shape).flatMap(([name, field]) => inner(field, `.${name}`, 1)),
      ];
    case 'union':
      return type.options.flatMap((option, n) => inner(option, `|${n}`));
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'readonly':
      return inner(type.innerType);
    case 'pipe':
      // A transform or custom check passes on a value that the other side of the pipe bounds.
      return [type.in, type.out].filter((side) => !isFunction(side)).flatMap((side) => inner(side));
    case 'number':
    case 'boolean':
    case 'null':
    case 'undefined':
    case 'literal':
    case 'enum':
      return [];
    default:
      if (schema === ignored || schema === batchBody) return [];
      return [`${path} is of the kind ${type.type}, which has no bound`];
  }
}

const isFunction = ({ _zod }: z.core.$ZodType) => _zod.def.type === 'transform' || _zod.def.type === 'custom';
const isClosed = ({ catchall }: z.core.$ZodObjectDef) => catchall === undefined || catchall._zod.def.type === 'never';

function isBoundedString(schema: z.core.$ZodString): boolean {
  const { def } = schema._zod;
  if (hasMaximum(def) || ('format' in def && def.format === 'uuid')) return true;
  const patterns = (def.checks ?? []).map(({ _zod }) => (_zod.def as { pattern?: RegExp }).pattern);
  return patterns.some((pattern) => pattern !== undefined && hasEnd(pattern));
}

/** Returns whether a pattern is anchored and has no `*`, `+` or `{n,}` outside of character classes. */
function hasEnd({ source }: RegExp): boolean {
  const outside = source.replaceAll(/\\.|\[[^\]]*\]/g, '');
  return /^\^.*\$$/.test(outside) && !/[*+]|\{\d+,\}/.test(outside);
}

function hasMaximum({ checks = [] }: z.core.$ZodTypeDef): boolean {
  return checks.some(({ _zod }) => ['max_length', 'length_equals'].includes(_zod.def.check));
}

test('every string, list, record and nesting in messages of the agent channel has a bound', () => {
  const schemas = { AgentMessage, ControllerMessage, SignedStatement, Snapshot, ...LiveMessage };
  assert.deepEqual(
    Object.entries(schemas).flatMap(([name, schema]) => unbounded(schema, name)),
    [],
  );
});

test('every string, list, record and nesting in messages of the local socket has a bound', () => {
  const schemas = { LocalRequest, LocalReply, ClientStatus };
  assert.deepEqual(
    Object.entries(schemas).flatMap(([name, schema]) => unbounded(schema, name)),
    [],
  );
});

test('every string, list, record and nesting in requests of the HTTP API has a bound', () => {
  const found = Object.entries<Operation>(operations).flatMap(([name, operation]) =>
    (['params', 'query', 'body'] as const).flatMap((part) => {
      const schema = operation[part];
      return schema === undefined ? [] : unbounded(schema, `${name} ${part}`);
    }),
  );
  assert.deepEqual(found, []);
});

test('the check finds unbounded schemas', () => {
  const text = z.string().max(9);
  const cases: [z.ZodType, RegExp][] = [
    [z.strictObject({ a: z.string() }), /x\.a is a string/],
    [z.array(text), /x is an array/],
    [z.array(z.array(text)).max(1), /x\[\] is an array/],
    [z.record(text, text), /x is a record/],
    [recordOf(z.string(), text, 3), /x\{key\} is a string/],
    [z.looseObject({}), /any keys/],
    [z.unknown(), /unknown/],
    [z.string().regex(/^a+$/), /x is a string/],
    [z.string().regex(/a/), /x is a string/],
    [z.union([z.null(), z.string().optional()]), /x\|1 is a string/],
    [z.string().transform((value) => value.length), /x is a string/],
    [z.lazy(() => z.null()), /lazy/],
    [Array.from({ length: 9 }).reduce<z.ZodType>((deep) => z.array(deep).max(1), z.null()), /nested/],
  ];
  for (const [schema, expected] of cases) assert.match(unbounded(schema, 'x').join(), expected);
  assert.deepEqual(unbounded(recordOf(z.string().regex(/^[a+]{1,3}$/), list(z.uuid(), 2), 3), 'x'), []);
});

test('a record is counted before its entries are validated', () => {
  const schema = recordOf(z.string().max(9), z.number(), 3);
  assert.deepEqual(schema.parse({ a: 1, b: 2, c: 3 }), { a: 1, b: 2, c: 3 });
  assert.equal(schema.safeParse({ a: 'x', b: 'x', c: 'x', d: 'x' }).error?.issues.length, 1);
  for (const bad of [null, [1], 'text', 5, { a: 'x' }]) assert.equal(schema.safeParse(bad).success, false);
  assert.deepEqual(
    [hasFew({ a: 1 }, 1), hasFew({ a: 1, b: 1 }, 1), hasFew(null, 0), hasFew([1, 2], 1)],
    [true, false, true, false],
  );
});

test('JSON text is measured before it is parsed, regardless of the content of its strings', () => {
  const bounds = { length: 100, commas: 2, depth: 2 };
  const cases: [string, ReturnType<typeof excessOf>][] = [
    ['{"a":[1,2,3]}', null],
    ['[1,2,3,4]', 'commas'],
    ['[[[', 'depth'],
    ['[[],[],[]]', null],
    [`"${'x'.repeat(100)}"`, 'length'],
    ['["[[[[,,,,{{"]', null],
    ['["\\"[[[,,,,"]', null],
    ['["\\\\",[[[', 'depth'],
    ['["\\\\\\"[[[,,,"]', null],
    ['"[[[', null],
  ];
  for (const [text, expected] of cases) assert.equal(excessOf(text, bounds), expected, text);
  assert.deepEqual(parseBounded('[1,{"a":"\\""}]', bounds), [1, { a: '"' }]);
  for (const bad of ['', '"', '{', '[1,2,3,4]', 'undefined']) assert.equal(parseBounded(bad, bounds), null);
});

test('a list is counted before its elements are validated, and validation stops after twenty issues', () => {
  let looked = 0;
  const element = z.string().refine((value) => {
    looked++;
    return value === 'good';
  });
  const schema = list(element, 1_000).min(1);
  assert.deepEqual(schema.parse(['good', 'good']), ['good', 'good']);
  looked = 0;
  const long = schema.safeParse(Array(1_001).fill('x')).error?.issues;
  assert.deepEqual([long?.map(({ code }) => code), looked], [['too_big'], 0]);
  const wrong = schema.safeParse(['good', ...Array(999).fill('x')]).error?.issues;
  assert.deepEqual([wrong?.length, wrong?.[0]?.path, looked], [20, [1], 21]);
  for (const bad of [[], null, {}, 'text', [5]]) assert.equal(schema.safeParse(bad).success, false);
  assert.deepEqual(z.toJSONSchema(list(z.boolean(), 3).min(1)), {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'array',
    items: { type: 'boolean' },
    minItems: 1,
    maxItems: 3,
  });
});

test('text is parsed and validated, or gives null', () => {
  const bounds = { length: 100, commas: 9, depth: 2 };
  assert.deepEqual(readBounded('[1,2]', list(z.int(), 2), bounds), [1, 2]);
  for (const bad of ['[1,2,3]', '["1"]', '[1', 'null']) assert.equal(readBounded(bad, list(z.int(), 2), bounds), null);
});
