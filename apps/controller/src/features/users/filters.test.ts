import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type filterOperators, type User, userFilters } from '@sallyport/contract';
import fc from 'fast-check';
import { invitationMs } from '../../objects/users/queries.ts';
import { assertRefused, makers } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { giveDevice, roleOf } from '../../testing/people.ts';

const path = '/tenants/users';
type Field = keyof typeof userFilters;
type Operator = (typeof filterOperators)[number];
const operators = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'ilike', 'in', 'nin'] as const satisfies readonly Operator[];

async function world(t: TestContext): Promise<{ app: TestApp; all: readonly User[] }> {
  const app = await openTestApp(t);
  const make = makers(app);
  const [admin, support] = [await roleOf(app, 'ADMIN'), await roleOf(app, 'SUPPORT')];
  const groups = [await make.group('a', { roles: [admin.id] }), await make.group('b')];
  for (const [i, name] of ['Zoë', 'anna', 'Bob', 'ANNA', '', 'b*b', 'a_a', 'x%'].entries()) {
    if (i === 4) app.clock.now += invitationMs;
    const own = groups.filter((_, n) => (i >> n) & 1).map(({ id }) => id);
    const { id } = await make.user(`${name.codePointAt(0) ?? 'n'}.${i}@Example.com`, own);
    const body = name === '' ? {} : { firstName: name, lastName: name.slice(1), department: `d${i % 2}` };
    await app.request('PUT', `${path}/${id}`, { body });
    const roles = { addedRoles: [support.id], removedRoles: [] };
    if (i % 3 === 0) await app.request('PATCH', `${path}/${id}/roles`, { body: roles });
    if (i % 4 === 1) await app.request('PATCH', `${path}/${id}/deactivate`);
    for (let n = 0; n < i % 3; n++) await giveDevice(app, (await make.device(`d${i}-${n}`)).id, id);
  }
  await make.device('of nobody');
  await app.request('POST', path, { body: { email: 'foreign@example.com', groups: [] }, key: app.other.key });
  return { app, all: (await app.request('GET', `${path}?limit=100`)).json.data };
}

const ids = (objects: readonly { id: string }[]) => objects.map(({ id }) => id);

const textsOf: Readonly<Record<Field, (user: User) => string[]>> = {
  id: ({ id }) => [id],
  email: ({ email = '' }) => [email.toLowerCase()],
  firstName: ({ firstName = '' }) => [firstName],
  lastName: ({ lastName = '' }) => [lastName],
  department: ({ department = '' }) => [department],
  status: ({ status }) => [status],
  'groups.id': ({ groups }) => ids(groups),
  'roles.id': ({ roles }) => ids(roles),
  'devices.id': ({ devices }) => ids(devices),
};

interface Condition {
  readonly field: Field;
  readonly operator: Operator;
  readonly values: readonly string[];
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The same filter without a database. */
function fits(user: User, { field, operator, values: given }: Condition): boolean {
  const own = textsOf[field](user);
  const values = field === 'email' ? given.map((value) => value.toLowerCase()) : given;
  const [value = ''] = values;
  const parts = value.split('%').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const tests: Record<Operator, (text: string) => boolean> = {
    eq: (text) => text === value,
    ne: (text) => text === value,
    in: (text) => values.includes(text),
    nin: (text) => values.includes(text),
    gt: (text) => byBytes(text, value) > 0,
    gte: (text) => byBytes(text, value) >= 0,
    lt: (text) => byBytes(text, value) < 0,
    lte: (text) => byBytes(text, value) <= 0,
    ilike: (text) => new RegExp(`^${parts.join('.*')}$`, 'iu').test(text),
  };
  const found = own.some(tests[operator]);
  return operator === 'ne' || operator === 'nin' ? !found : found;
}

const patterns = ['%', 'anna', '%NN%', 'zoË', 'a_a', 'b*b', '%@EXAMPLE.com', ''];

test('every operator on every field finds what a plain list would', async (t) => {
  const { app, all } = await world(t);
  const condition = fc.constantFrom(...(Object.keys(userFilters) as Field[])).chain((field) => {
    const known = fc.constantFrom(...new Set(all.flatMap(textsOf[field])));
    return fc.constantFrom(...operators).chain((operator): fc.Arbitrary<Condition> => {
      if (operator === 'ilike')
        return fc.constantFrom(...patterns).map((value) => ({ field, operator, values: [value] }));
      const many = operator === 'in' || operator === 'nin';
      const values = many ? fc.array(known, { minLength: 1, maxLength: 3 }) : known.map((value) => [value]);
      return values.map((list) => ({ field, operator, values: list }));
    });
  });
  await fc.assert(
    fc.asyncProperty(fc.array(condition, { minLength: 1, maxLength: 2 }), async (filters) => {
      const query = filters.map(
        ({ field, operator, values }) => `filter[${field}][${operator}]=${encodeURIComponent(values.join(','))}`,
      );
      const { status, json, text } = await app.request('GET', `${path}?limit=100&${query.join('&')}`);
      assert.equal(status, 200, text);
      const expected = all.filter((user) => filters.every((filter) => fits(user, filter)));
      assert.deepEqual(ids(json.data), ids(expected));
      assert.equal(json.total, expected.length);
    }),
    { numRuns: 400 },
  );
});

test('unknown fields, operators and values are refused by name', async (t) => {
  const app = await openTestApp(t);
  const refused = (query: string) =>
    assertRefused(app, ['GET', `${path}?${query}`], 400, 'invalid_request', [`query/${query.split('=')[0]}`]);
  await refused('filter[password]=x');
  await refused('filter[email][like]=x');
  await refused('filter[status]=active');
  await refused('filter[groups.id]=staff');
  await refused('colour=red');
  const groups = '/tenants/groups';
  await assertRefused(app, ['GET', `${groups}?filter[email]=x`], 400, 'invalid_request', ['query/filter[email]']);
});

test('groups are found by name, roles and members', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const admin = await roleOf(app, 'ADMIN');
  const [a, b] = [await make.group('Admins', { roles: [admin.id] }), await make.group('Builders')];
  const user = await make.user('jane@example.com', [a.id]);
  const found = async (filter: string) => {
    const { json, text } = await app.request('GET', `/tenants/groups?filter${filter}`);
    assert.ok(json.data !== undefined, text);
    return json.data.map(({ name }: { name: string }) => name);
  };
  assert.deepEqual(await found('[name][ilike]=%25ILD%25'), ['Builders']);
  assert.deepEqual(await found(`[roles.id]=${admin.id}`), ['Admins']);
  assert.deepEqual(await found(`[users.id]=${user.id.toUpperCase()}`), ['Admins']);
  assert.deepEqual(await found(`[users.id][ne]=${user.id}`), ['Default Group', 'Builders']);
  assert.deepEqual(await found(`[id][in]=${a.id},${b.id}`), ['Admins', 'Builders']);
});
