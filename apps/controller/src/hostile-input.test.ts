import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FieldError, type Operation, type OperationName, operations } from '@sallyport/contract';
import fc from 'fast-check';
import { Browser, signInOwner } from './testing/browser.ts';
import { openTestApp, type TestAnswer, type TestApp } from './testing/harness.ts';
import { makeSample, type Sample, samplePath, validBody } from './testing/sample.ts';

const withBody = (Object.entries(operations) as [OperationName, Operation][]).filter(
  ([, { body }]) => body !== undefined,
);

/** Values that are wrong nearly everywhere, or right in a surprising way. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    '',
    ' ',
    0,
    -1,
    1.5,
    1e308,
    true,
    [],
    {},
    [null],
    [[]],
    '0',
    '65536',
    '51820x',
    '\u0000',
    '\ud800',
    '__proto__',
  ),
  fc.constantFrom<unknown>(
    'x'.repeat(2000),
    Array(50).fill('x'),
    { id: 'x' },
    { constructor: 1 },
    '1.2.3.4/33',
    'not-a-uuid',
    '2026-02-30T00:00:00Z',
  ),
  fc.jsonValue(),
  fc.string({ unit: 'binary' }),
);

async function revision(app: TestApp): Promise<number> {
  const row = await app.store.db
    .selectFrom('tenants')
    .select('revision')
    .where('id', '=', app.tenant.id)
    .executeTakeFirstOrThrow();
  return row.revision;
}

/** Sends a body as a caller whom the operation takes: an API key, the owner in a browser, or a stranger in one. */
function send(app: TestApp, { sample, owner }: World, operation: Operation, body: unknown): Promise<TestAnswer> {
  const path = samplePath(operation.path, sample);
  const headers = { 'content-type': 'application/json' };
  const text = JSON.stringify(body) as unknown as object;
  if (operation.right === null) return new Browser(app).request(operation.method, path, text, headers);
  if (operation.right === 'self') return owner.request(operation.method, path, text, headers);
  return app.request(operation.method, path, { body: text, headers });
}

interface World {
  readonly sample: Sample;
  readonly owner: Browser;
}

const makeWorld = async (app: TestApp): Promise<World> => ({
  sample: await makeSample(app),
  owner: await signInOwner(app),
});

/** What the schema says of a body, once the fields that a write ignores are away. */
function fits({ body: schema, ignoredFields = [] }: Operation, body: unknown): boolean {
  const given = typeof body === 'object' && body !== null && !Array.isArray(body) ? { ...body } : body;
  for (const field of ignoredFields)
    if (typeof given === 'object' && given !== null) delete (given as Record<string, unknown>)[field];
  return schema?.safeParse(JSON.parse(JSON.stringify(given))).success ?? false;
}

function assertRefused(answer: TestAnswer, body: unknown): FieldError[] {
  assert.equal(answer.headers['content-type'], 'application/problem+json', JSON.stringify(body));
  assert.equal(answer.json.code, 'invalid_request', answer.text);
  assert.ok(answer.json.errors.length > 0, answer.text);
  return answer.json.errors;
}

for (const [name, operation] of withBody)
  test(`${name}: one odd field is refused by its name and changes nothing, or is taken`, async (t) => {
    const app = await openTestApp(t);
    const world = await makeWorld(app);
    const valid = validBody(name, world.sample) ?? {};
    const fields = fc.constantFrom(...Object.keys(valid), 'unheardOf');
    await fc.assert(
      fc.asyncProperty(fields, odd, async (field, value) => {
        const body = { ...valid, [field]: value };
        const before = await revision(app);
        const answer = await send(app, world, operation, body);
        assert.ok(answer.status < 500, answer.text);
        if (fits(operation, body)) return;
        for (const { pointer } of assertRefused(answer, body))
          assert.ok(pointer.startsWith(`/${field}`), `${pointer} for ${field}`);
        assert.equal(await revision(app), before);
      }),
      { numRuns: 150 },
    );
  });

test('a body that is anything at all never breaks the server', async (t) => {
  const app = await openTestApp(t);
  const world = await makeWorld(app);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...withBody), fc.jsonValue({ maxDepth: 4 }), async ([, operation], body) => {
      const before = await revision(app);
      const answer = await send(app, world, operation, body);
      assert.ok(answer.status < 500, answer.text);
      if (fits(operation, body)) return;
      assertRefused(answer, body);
      assert.equal(await revision(app), before);
    }),
    { numRuns: 200 },
  );
});

test('bytes that are no JSON are refused as such', async (t) => {
  const app = await openTestApp(t);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 40 }), async (bytes) => {
      const headers = { 'content-type': 'application/json' };
      const answer = await app.request('POST', '/tenants/gateways', { body: Buffer.from(bytes), headers });
      assert.ok(answer.status === 400, answer.text);
      assert.ok(['malformed_json', 'invalid_request'].includes(answer.json.code), answer.text);
    }),
    { numRuns: 100 },
  );
});

test('odd paths, ids and queries are told apart from mistakes of ours', async (t) => {
  const app = await openTestApp(t);
  const part = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.constantFrom('..', '.', '%2f', '\u0000', 'gateways'),
  );
  await fc.assert(
    fc.asyncProperty(part, part, async (id, query) => {
      const encoded = (text: string) => encodeURIComponent(text.toWellFormed());
      const answer = await app.request('GET', `/tenants/gateways/${encoded(id)}?${encoded(query)}=1`);
      assert.ok([400, 404].includes(answer.status), `${answer.status} ${answer.text}`);
    }),
    { numRuns: 100 },
  );
});
