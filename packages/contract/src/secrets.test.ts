import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { formatEnrolmentToken } from './channel/token.ts';
import { Gateway } from './http/gateways.ts';
import { type Operation, operations } from './operations.ts';
import { holdsMark, partsOf, secret, withoutSecrets } from './secrets.ts';

/** Fields with names like secrets and values that are not secret. */
const harmless: Readonly<Record<string, string>> = {
  publicKey: 'the public half of a key pair',
  hasClientSecret: 'whether there is one',
  forgotPassword: 'whether people may ask for a new password',
};

const sounding = /key|token|secret|passw|private|credential|psk|pin$|otp|recovery/i;

/** Returns every field of an answer with its path. */
function* fieldsOf(schema: z.ZodType, path: string): Generator<{ path: string; field: string; schema: z.ZodType }> {
  for (const { field, schema: part } of partsOf(schema)) {
    const below = field === null ? path : `${path}.${field}`;
    if (field !== null) yield { path: below, field, schema: part };
    yield* fieldsOf(part, below);
  }
}

const answers = (): [string, z.ZodType][] =>
  Object.entries<Operation>(operations).flatMap(([name, { response }]) =>
    response === undefined ? [] : [[name, response] as [string, z.ZodType]],
  );

test('every field with a name like a secret is marked, or listed as not secret', () => {
  const unmarked = answers().flatMap(([name, response]) =>
    [...fieldsOf(response, name)].filter(
      ({ field, schema }) => sounding.test(field) && !holdsMark(schema) && harmless[field] === undefined,
    ),
  );
  assert.deepEqual(
    unmarked.map(({ path }) => path),
    [],
  );
});

test('only the listed answers hold a secret', () => {
  const holding = answers().filter(([, response]) =>
    [...fieldsOf(response, '')].some(({ schema }) => holdsMark(schema)),
  );
  const names = holding.map(([name]) => name);
  for (const known of ['createApiKey', 'createEnrolmentKey', 'createGateway', 'rekeyGateway', 'updateGateway'])
    assert.ok(names.includes(known), known);
  for (const none of ['createDevice', 'getDeviceConfiguration', 'createUsers', 'listAuditEvents'])
    assert.ok(!names.includes(none), none);
});

test('removing secrets at any depth keeps the rest of an answer', () => {
  const inner = z.object({ id: z.string(), key: secret(z.string().optional()), plain: z.string() });
  const schema = z.object({
    one: inner.optional(),
    many: z.array(inner),
    named: z.record(z.string(), inner),
    either: z.union([z.string(), inner]).nullable(),
    given: inner.nullish(),
  });
  const full = { id: 'a', key: 'secret', plain: 'b' };
  const bare = { id: 'a', plain: 'b' };
  const value = { one: full, many: [full, full], named: { x: full }, either: full, given: full };
  const copy = structuredClone(value);
  assert.deepEqual(withoutSecrets(schema, value), {
    one: bare,
    many: [bare, bare],
    named: { x: bare },
    either: bare,
    given: bare,
  });
  assert.deepEqual(value, copy);
  assert.deepEqual(withoutSecrets(schema, { many: [], named: {}, either: 'text', given: null }), {
    many: [],
    named: {},
    either: 'text',
    given: null,
  });
});

test('a required secret is masked as for callers who may not deploy, and the answer still fits its schema', () => {
  const token = formatEnrolmentToken({
    role: 'gateway',
    agent: '0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b',
    secret: 'S'.repeat(43),
    controllerFingerprint: 'f'.repeat(22),
  });
  const schema = z.object({ token: Gateway.shape.token });
  assert.deepEqual(withoutSecrets(schema, { token }), { token: 'sgw_0190a1b2c3d47e5f8a6b0c1d2e3f4a5b_…' });
});

test('a schema of an unknown kind is rejected, because a secret could hide in it', () => {
  assert.throws(() => partsOf(z.set(z.string())), /a schema of the kind set/);
});
