import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Operation, operations } from '@sallyport/contract';
import { openTestApp, type TestApp } from '../../apps/controller/src/testing/harness.ts';
import { bodiesOf } from './bodies.ts';
import { type Landscape, makeLandscape, makeStorm, makeSunshine, placed } from './landscape.ts';
import {
  answers,
  deviations,
  type Field,
  type FieldType,
  type PublishedOperation,
  publishedOperations,
  requests,
} from './reference.ts';

for (const published of publishedOperations) {
  const [method, path, status] = published;
  test(`${method} ${path} is there and answers ${status}`, async (t) => {
    const ours = Object.values<Operation>(operations).find(
      (operation) => operation.method === method && operation.path === `/tenants${path}`,
    );
    assert.ok(ours !== undefined, 'it stands in the contract');
    assert.equal(ours.status, status);

    const app = await openTestApp(t);
    const land = await makeLandscape(app);
    const answer = await app.request(method, ...requestOf(published, land));
    assert.equal(answer.status, status, answer.text);
    assertForm(published[4], answer.json, answer.text);
  });
}

for (const [shape, fields] of Object.entries(requests))
  test(`${shape} takes the fields of the reference`, async (t) => {
    const app = await openTestApp(t);
    const land = await makeLandscape(app);
    const schemas = await schemasOf(app);
    const published = publishedOperations.find(([, , , body]) => body === shape);
    assert.ok(published !== undefined, 'an operation has this body');
    const [method, path, status] = published;
    const bodies = bodiesOf(land)[shape] ?? assert.fail('there are bodies to send');
    const send = (body: object, at = placed(path, land)) => app.request(method, at, { body });
    const refused = async (body: object, field: string) => {
      const answer = await send(body);
      assert.equal(answer.status, 400, answer.text);
      const pointers = answer.json.errors.map(({ pointer }: { pointer: string }) => pointer);
      assert.ok(pointers.length > 0 && pointers.every((p: string) => p.startsWith(`/${field}`)), answer.text);
    };

    for (const [field, { required, type }] of Object.entries(fields)) {
      await t.test(`${shape}.${field} is ${required ? 'demanded' : 'optional'}`, async () => {
        const { [field]: _, ...without } = { ...bodies.least };
        if (!required) {
          assert.ok(!(field in bodies.least), 'the least body goes without it');
          const { path: at, body } = bodies.elsewhere?.[field] ?? {
            body: { ...bodies.least, [field]: bodies.optional[field] },
          };
          assert.ok(body[field] !== undefined, 'there is a value to send');
          await okay(send(unique(body), at), status);
        } else if (deviations[`${shape}.${field}`]?.differs === 'not demanded')
          await okay(send(unique(without)), status);
        else await refused(without, field);
        await okay(send(unique(bodies.least)), status);
      });
      await t.test(`${shape}.${field} takes nothing but its type`, async () => {
        for (const wrong of wrongFor(type)) await refused({ ...bodies.least, [field]: wrong }, field);
        if (typeof type === 'object' && 'oneOf' in type)
          assert.deepEqual(schemas[shape]?.properties[field] && enumOf(schemas[shape].properties[field]), [
            ...type.oneOf,
          ]);
      });
    }
  });

test('users are created one at a time or up to a hundred at once', async (t) => {
  const app = await openTestApp(t);
  const { group } = await makeLandscape(app);
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ email: `u${i}@example.com`, groups: [group] }));
  const { json } = await okay(app.request('POST', '/tenants/users', { body: many(100) }), 201);
  assert.deepEqual(
    json.map(({ email }: { email: string }) => email),
    many(100).map(({ email }) => email),
  );
  for (const body of [many(0), many(101)])
    assert.equal((await app.request('POST', '/tenants/users', { body })).status, 400);
});

test('answers carry the fields of the reference', async (t) => {
  const app = await openTestApp(t);
  const land = await makeLandscape(app);
  const seen = new Map(Object.keys(answers).map((shape) => [shape, [] as Record<string, unknown>[]]));
  await collect(app, land, seen);
  for (const change of [makeStorm, makeSunshine]) {
    await change(app, land);
    await collect(app, land, seen);
  }
  const schemas = await schemasOf(app);

  for (const [shape, fields] of Object.entries(answers))
    for (const [field, fact] of Object.entries(fields))
      await t.test(`${shape}.${field}`, () => {
        const samples = seen.get(shape) ?? [];
        const values = samples.filter((sample) => field in sample).map((sample) => sample[field]);
        const differs = deviations[`${shape}.${field}`]?.differs;
        if (differs === 'never answered') assert.equal(values.length, 0, 'it came after all: strike the deviation');
        else assert.ok(values.length > 0, 'it is never in an answer');
        const left = samples.length - values.length;
        if (fact.required || differs === 'always answered') assert.equal(left, 0, 'it is missing in an answer');
        else assert.ok(left > 0, 'no answer leaves it out');
        for (const value of values) assertValue(value, fact);
        if (fact.nullable) assert.ok(values.includes(null) && values.some((value) => value !== null));
        assertSchema(schemas[shape], field, fact);
      });
});

test('every deviation refers to a part of the reference', () => {
  for (const key of Object.keys(deviations)) {
    const [shape = '', field = ''] = key.split('.');
    assert.ok((requests[shape] ?? answers[shape])?.[field] !== undefined, key);
  }
});

// biome-ignore lint/suspicious/noExplicitAny: answers and documents are looked into freely
type Json = any;

async function okay(request: ReturnType<TestApp['request']>, status: number) {
  const answer = await request;
  assert.equal(answer.status, status, answer.text);
  return answer;
}

/** Values that make an object unique, so that a body can be sent again. */
let count = 0;
function unique(body: Readonly<Record<string, unknown>>): object {
  count += 1;
  return body.email === undefined ? body : { ...body, email: `${count}@example.com` };
}

function requestOf([method, path, , body]: PublishedOperation, land: Landscape): [string, { body?: object }] {
  const spare: Readonly<Record<string, string>> = {
    'DELETE /protocols/{id}': `/tenants/protocols/${land.spareProtocol}`,
    'DELETE /admission-rules/{id}': `/tenants/admission-rules/${land.spareRule}`,
    'POST /users/{id}/invite': `/tenants/users/${land.invited}/invite`,
  };
  const at = spare[`${method} ${path}`] ?? placed(path, land);
  return [at, body === null ? {} : { body: { ...bodiesOf(land)[body]?.least } }];
}

function assertForm(answer: string | null, json: Json, text: string): void {
  if (answer === null) assert.equal(text, '');
  else if (answer.endsWith('[]')) assert.ok(Array.isArray(json), text);
  else if (!answer.endsWith('{}')) assert.ok(typeof json === 'object' && !Array.isArray(json), text);
  else {
    const { data, ...rest } = json;
    assert.ok(Array.isArray(data), text);
    assert.deepEqual(rest, { total: data.length, page: 0, limit: 10, hasNext: false, hasPrevious: false });
  }
}

/** Values of every other type, and invalid values of the right type. */
function wrongFor(type: FieldType): unknown[] {
  const wrong: unknown[] = [{ a: 1 }, [[1]], 1.5, true, 'x\u0000y'].filter((value) => typeof value !== type);
  if (type === 'uuid') return [...wrong, 'not-an-id'];
  return typeof type === 'object' && 'oneOf' in type ? [...wrong, type.oneOf[0]?.toLowerCase(), 'OTHER'] : wrong;
}

/** Collects the fields of every answer of every read operation. */
async function collect(app: TestApp, land: Landscape, seen: Map<string, Record<string, unknown>[]>): Promise<void> {
  for (const published of publishedOperations) {
    const [method, _path, status, , answer] = published;
    if (answer === null || (method !== 'GET' && answer !== 'TestConfiguration')) continue;
    const { json } = await okay(app.request(method, ...requestOf(published, land)), status);
    for (const item of [json.data ?? json].flat()) take(item, answer.replace(/\W/g, ''), seen);
  }
}

function take(object: Record<string, unknown>, shape: string, seen: Map<string, Record<string, unknown>[]>): void {
  seen.get(shape)?.push(object);
  for (const [field, { type }] of Object.entries(answers[shape] ?? {})) {
    const inner = typeof type === 'object' && 'listOf' in type ? type.listOf : type;
    if (typeof inner !== 'object' || !('is' in inner) || object[field] === undefined) continue;
    for (const item of [object[field]].flat()) take(item as Record<string, unknown>, inner.is, seen);
  }
}

function assertValue(value: unknown, { type, nullable }: Field): void {
  if (nullable && value === null) return;
  assert.notEqual(value, null, 'a field without a value is omitted');
  if (typeof type === 'string') assertPlain(value, type);
  else if ('oneOf' in type) assert.ok(type.oneOf.includes(value as string), String(value));
  else if ('is' in type) assert.equal(typeof value, 'object');
  else {
    assert.ok(Array.isArray(value));
    for (const item of value) assertValue(item, { type: type.listOf, required: true });
  }
}

const patterns: Readonly<Record<string, RegExp>> = {
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  date: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
};

function assertPlain(value: unknown, type: Extract<FieldType, string>): void {
  const pattern = patterns[type];
  if (pattern === undefined) assert.equal(typeof value, type);
  else assert.match(String(value), pattern);
}

/** Checks that the served document describes a field as the reference does. */
function assertSchema(schema: Json, field: string, { type, required }: Field): void {
  assert.ok(schema !== undefined, 'the document has it');
  const property = schema.properties[field];
  assert.equal(schema.required.includes(field), required);
  if (typeof type === 'object' && 'oneOf' in type) assert.deepEqual(enumOf(property), [...type.oneOf]);
}

async function schemasOf(app: TestApp): Promise<Record<string, Json>> {
  const { text } = await app.text('/openapi.json');
  return JSON.parse(text).components.schemas;
}

const enumOf = (property: Json): unknown => property.enum ?? property.anyOf?.find((part: Json) => part.enum)?.enum;
