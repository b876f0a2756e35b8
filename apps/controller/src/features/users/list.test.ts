import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { User } from '@sallyport/contract';
import fc from 'fast-check';
import { assertRefused, makers } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { giveDevice, roleOf } from '../../testing/people.ts';
import { openCountingStore } from '../../testing/statements.ts';

const path = '/tenants/users';
const day = 24 * 3600 * 1000;

/** Users of every status, some without names or connections, and one of another tenant who must never show up. */
async function world(t: TestContext): Promise<{ app: TestApp; all: readonly User[] }> {
  const app = await openTestApp(t);
  const make = makers(app);
  const group = await make.group('staff');
  await app.request('POST', path, { body: { email: 'foreign@example.com', groups: [] }, key: app.other.key });
  for (const [i, name] of ['Zoë', 'anna', 'Bob', 'anna', '', 'Ödön', 'carl', 'Bob', 'x', 'y', '', 'z'].entries()) {
    const { id } = await make.user(`${i % 3 === 0 ? 'U' : 'u'}${(i * 7) % 12}@example.com`, i % 2 ? [group.id] : []);
    const body = name === '' ? {} : { firstName: name, lastName: `l${i % 4}` };
    await app.request('PUT', `${path}/${id}`, { body });
    if (i % 4 === 1) await app.request('PATCH', `${path}/${id}/deactivate`);
    if (i % 4 === 2) await become(app, id, { status: 'ACTIVE', last_connection: app.clock.now - i });
    if (i % 5 === 2) await connect(app, (await make.device(`d${i}`)).id, id, app.clock.now + i);
    app.clock.now += day;
  }
  const all = (await app.request('GET', `${path}?limit=100`)).json.data;
  return { app, all };
}

const become = (app: TestApp, id: string, values: { status: 'ACTIVE'; last_connection: number }) =>
  app.store.db.updateTable('users').set(values).where('id', '=', id).execute();

async function connect(app: TestApp, device: string, user: string, at: number): Promise<void> {
  await giveDevice(app, device, user);
  await app.store.db.updateTable('devices').set({ last_connection: at }).where('id', '=', device).execute();
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

const keys: Record<string, (user: User) => string> = {
  id: ({ id }) => id,
  email: ({ email = '' }) => email.toLowerCase(),
  createdAt: ({ createdAt }) => createdAt,
  updatedAt: ({ updatedAt }) => updatedAt,
  lastConnection: ({ lastConnection = '' }) => lastConnection,
  firstName: ({ firstName = '' }) => firstName,
  lastName: ({ lastName = '' }) => lastName,
  status: ({ status }) => status,
};

test('order and pages are those of a plain list', async (t) => {
  const { app, all } = await world(t);
  assert.deepEqual(
    new Set(all.map(({ status }) => status)),
    new Set(['ACTIVE', 'INVITED', 'EXPIRED', 'DEACTIVATED']),
    'the sample has them all',
  );
  const sort = fc.subarray(
    Object.keys(keys).flatMap((field) => [field, `-${field}`, `${field}:desc`]),
    { maxLength: 3 },
  );
  const search = fc.record({ sort, limit: fc.integer({ min: 1, max: 14 }), offset: fc.integer({ min: 0, max: 14 }) });
  await fc.assert(
    fc.asyncProperty(search, async ({ sort, limit, offset }) => {
      const query = [...sort.map((field) => `sort=${field}`), `limit=${limit}`, `offset=${offset}`].join('&');
      const { status, json, text } = await app.request('GET', `${path}?${query}`);
      assert.equal(status, 200, text);
      const expected = all.toSorted((a, b) => {
        for (const field of sort) {
          const key = keys[field.replace(/^-|:desc$/g, '')];
          assert.ok(key !== undefined);
          const order = byBytes(key(a), key(b)) * (/^-|:desc$/.test(field) ? -1 : 1);
          if (order !== 0) return order;
        }
        return byBytes(a.createdAt, b.createdAt);
      });
      const { data, ...envelope } = json;
      assert.deepEqual(data, expected.slice(offset, offset + limit));
      assert.deepEqual(envelope, {
        total: all.length,
        page: Math.floor(offset / limit),
        limit,
        hasNext: offset + limit < all.length,
        hasPrevious: offset > 0,
      });
    }),
    { numRuns: 100 },
  );
});

test('a user in a list equals the user read alone', async (t) => {
  const { app, all } = await world(t);
  for (const user of all) assert.deepEqual((await app.request('GET', `${path}/${user.id}`)).json, user);
});

test('unknown orders and parameters are refused by name', async (t) => {
  const app = await openTestApp(t);
  const refused = (query: string, pointer: string) =>
    assertRefused(app, ['GET', `${path}?${query}`], 400, 'invalid_request', [`query/${pointer}`]);
  await refused('sort=attributes', 'sort');
  await refused('sort=-email:asc', 'sort');
  await refused('limit=0', 'limit');
  await refused('colour=red', 'colour');
  assert.equal((await app.request('GET', `${path}?limit=1000`)).json.limit, 100);
});

test('a page takes the same number of statements whatever is on it', async (t) => {
  const { store, statements } = await openCountingStore(t);
  const app = await openTestApp(t, { store });
  const make = makers(app);
  const role = await roleOf(app, 'SUPPORT');
  const groups = await Promise.all(['a', 'b'].map((name) => make.group(name, { roles: [role.id] })));
  const add = async (from: number, to: number) => {
    for (let n = from; n < to; n++) {
      const user = await make.user(
        `u${n}@example.com`,
        groups.map(({ id }) => id),
      );
      for (const name of ['x', 'y']) await giveDevice(app, (await make.device(`${n}${name}`)).id, user.id);
    }
  };
  const taken = async (query: string) => {
    const before = statements();
    assert.equal((await app.request('GET', query)).status, 200);
    return statements() - before;
  };
  const paths = [`${path}?limit=100`, '/tenants/groups', `/tenants/roles/${role.id}/users?groups=true`];
  await add(0, 2);
  const few: number[] = [];
  for (const query of paths) few.push(await taken(query));
  await add(2, 30);
  for (const [i, query] of paths.entries()) assert.equal(await taken(query), few[i], query);
  for (const count of few) assert.ok(count > 0 && count <= 16, `${few}`);
});
