import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { filterOperators, resourceFilters } from '@sallyport/contract';
import fc from 'fast-check';
import { assertRefused, makers } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const path = '/tenants/resources';

interface Known {
  readonly id: string;
  readonly 'addresses.protocols.id': readonly string[];
  readonly 'gateways.id': readonly string[];
  readonly 'policies.id': readonly string[];
  readonly name: string;
  readonly type: string;
  /** Empty without a gateway. */
  readonly status: string;
  /** One empty label without labels. */
  readonly label: readonly string[];
}

/** Resources with all kinds of relations, and those of another tenant that must never show up. */
async function world(t: TestContext): Promise<{ app: TestApp; all: readonly Known[] }> {
  const app = await openTestApp(t);
  const make = makers(app);
  const protocols = await Promise.all(['1', '2', '3'].map((port) => make.protocol(port)));
  const gateways = await Promise.all(['a', 'b'].map((name) => make.gateway(name)));
  const pick = <T>(list: readonly T[], bits: number) => list.filter((_, i) => (bits >> i) & 1);
  const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id);
  const made: Known[] = [];
  for (const [i, name] of ['web', 'Web 2', 'WEB_3', 'äpfel', 'ÄPFEL*', 'x%y', 'x?y', 'a[b]', 'web', 'zoë'].entries()) {
    const used = pick(protocols, (i % 7) + 1);
    const addresses = used.map(({ id }, n) => ({ address: `10.0.${i}.${n}`, protocols: [id] }));
    const type = i % 3 === 0 ? 'SAAS' : 'PRIVATE';
    const labels = pick(['eu', 'site=berlin', 'site=bern'], i % 5);
    const { id } = await make.resource(name, addresses, { type, labels });
    const attached = pick(gateways, i % 4);
    await make.attach(id, ids(attached));
    made.push({
      id,
      name,
      type,
      status: attached.length === 0 ? '' : 'OFFLINE',
      'addresses.protocols.id': ids(used),
      'gateways.id': ids(attached),
      'policies.id': [],
      label: labels.length === 0 ? [''] : labels,
    });
  }
  const policies = await Promise.all(
    [0, 1].map(async (n) => {
      const resources = made.filter(({ type }, i) => type === 'PRIVATE' && i % 2 === n).map(({ id }) => id);
      return { id: (await make.policy(`p${n}`, { resources })).id as string, resources };
    }),
  );
  const protocol = { networkProtocols: [{ protocol: 'ICMP' }] };
  const foreign = await app.request('POST', '/tenants/protocols', { body: protocol, key: app.other.key });
  const addresses = [{ address: '10.0.0.1', protocols: [foreign.json.id] }];
  await app.request('POST', path, { body: { name: 'web', type: 'SAAS', addresses }, key: app.other.key });
  const all = made.map((resource) => ({
    ...resource,
    'policies.id': ids(policies.filter(({ resources }) => resources.includes(resource.id))),
  }));
  return { app, all };
}

type Condition = {
  field: keyof typeof resourceFilters;
  operator: (typeof filterOperators)[number];
  values: string[];
};

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The same filter without a database. */
function fits(resource: Known, { field, operator, values }: Condition): boolean {
  const own = [resource[field]].flat();
  const [value = ''] = values;
  const pattern = new RegExp(
    `^${value
      .split('%')
      .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
    'iu',
  );
  switch (operator) {
    case 'eq':
      return own.includes(value);
    case 'ne':
      return !own.includes(value);
    case 'in':
      return own.some((text) => values.includes(text));
    case 'nin':
      return !own.some((text) => values.includes(text));
    case 'gt':
      return own.some((text) => byBytes(text, value) > 0);
    case 'gte':
      return own.some((text) => byBytes(text, value) >= 0);
    case 'lt':
      return own.some((text) => byBytes(text, value) < 0);
    case 'lte':
      return own.some((text) => byBytes(text, value) <= 0);
    case 'ilike':
      return own.some((text) => pattern.test(text));
  }
}

const patterns = ['%', 'web', '%EB%', '%eb%', 'w_b', '%Ä%', '%äP%', 'zoË', '%*', 'x?y', '%[B]', 'x%Y', '', '%1%'];

const valuesOf = (all: readonly Known[], { field, operator }: Pick<Condition, 'field' | 'operator'>): string[] =>
  operator === 'ilike' && field === 'name'
    ? patterns
    : [...new Set(field === 'status' ? resourceFilters.status : all.flatMap((resource) => resource[field]))];

const names = (Object.keys(resourceFilters) as Condition['field'][]).flatMap((field) =>
  filterOperators.map((operator) => ({ field, operator })),
);

const conditions = (all: readonly Known[]): fc.Arbitrary<Condition> =>
  fc.constantFrom(...names).chain(({ field, operator }) => {
    const value = fc.constantFrom(...valuesOf(all, { field, operator }));
    const many = operator === 'in' || operator === 'nin';
    const values = many ? fc.array(value, { minLength: 1, maxLength: 3 }) : value.map((one) => [one]);
    return values.map((list) => ({ field, operator, values: list }));
  });

test('every operator works on every field', async (t) => {
  const { app, all } = await world(t);
  for (const name of names)
    for (const value of valuesOf(all, name).slice(0, patterns.length)) {
      const query = `filter[${name.field}][${name.operator}]=${encodeURIComponent(value)}&limit=100`;
      const { status, json, text } = await app.request('GET', `${path}?${query}`);
      assert.equal(status, 200, text);
      const expected = all.filter((resource) => fits(resource, { ...name, values: [value] }));
      assert.deepEqual(
        new Set(json.data.map(({ id }: Known) => id)),
        new Set(expected.map(({ id }) => id)),
        `${query} ${value}`,
      );
    }
});

test('filters, order and pages are those of a plain list', async (t) => {
  const { app, all } = await world(t);
  const sorts = fc.subarray(['name', '-name', 'id:desc', 'id:asc', 'name:desc'], { maxLength: 2 });
  const search = fc.record({
    filters: fc.array(conditions(all), { maxLength: 3 }),
    sort: sorts,
    limit: fc.integer({ min: 1, max: 12 }),
    offset: fc.integer({ min: 0, max: 12 }),
    encoded: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(search, async ({ filters, sort, limit, offset, encoded }) => {
      const parameters = filters.map(({ field, operator, values }) => {
        const name = `filter[${field}][${operator}]`;
        return `${encoded ? encodeURIComponent(name) : name}=${encodeURIComponent(values.join(','))}`;
      });
      for (const field of sort) parameters.push(`sort=${field}`);
      const { status, json, text } = await app.request(
        'GET',
        `${path}?${[...parameters, `limit=${limit}`, `offset=${offset}`].join('&')}`,
      );
      assert.equal(status, 200, text);
      const expected = all.filter((resource) => filters.every((filter) => fits(resource, filter)));
      expected.sort((a, b) => {
        for (const field of sort) {
          const key = field.includes('name') ? 'name' : 'id';
          const order = byBytes(a[key], b[key]) * (field.startsWith('-') || field.endsWith(':desc') ? -1 : 1);
          if (order !== 0) return order;
        }
        return byBytes(a.id, b.id);
      });
      assert.deepEqual(
        json.data.map(({ id }: { id: string }) => id),
        expected.slice(offset, offset + limit).map(({ id }) => id),
      );
      const { data, ...envelope } = json;
      assert.deepEqual(envelope, {
        total: expected.length,
        page: Math.floor(offset / limit),
        limit,
        hasNext: offset + limit < expected.length,
        hasPrevious: offset > 0 && expected.length > 0,
      });
    }),
    { numRuns: 100 },
  );
});

test('a list without parameters has ten of them; a limit above 100 is taken as 100', async (t) => {
  const { app, all } = await world(t);
  const plain = (await app.request('GET', path)).json;
  assert.deepEqual(plain.data.length, 10);
  assert.equal((await app.request('GET', `${path}?limit=5000`)).json.limit, 100);
  const [first] = plain.data;
  assert.deepEqual((await app.request('GET', `${path}/${first.id}`)).json, first, 'whole objects');
  const joined = await app.request('GET', `${path}?sort=name,-id&filter[type]=SAAS`);
  const expected = all
    .filter(({ type }) => type === 'SAAS')
    .sort((a, b) => byBytes(a.name, b.name) || byBytes(b.id, a.id));
  assert.deepEqual(
    joined.json.data.map(({ id }: { id: string }) => id),
    expected.map(({ id }) => id),
    'no operator is eq, sort may be joined by commas',
  );
});

test('unknown fields, operators, values and parameters are refused by name', async (t) => {
  const { app } = await world(t);
  const refused = (query: string, pointer: string) =>
    assertRefused(app, ['GET', `${path}?${query}`], 400, 'invalid_request', [`query/${pointer}`]);
  await refused('filter[color][eq]=red', 'filter[color][eq]');
  await refused('filter%5Bname%5D%5Blike%5D=x', 'filter[name][like]');
  await refused('filter[name=x', 'filter[name');
  await refused('filter[constructor]=x', 'filter[constructor]');
  await refused('filter[type]=private', 'filter[type]');
  await refused('filter[id][in]=nonsense', 'filter[id][in]');
  await refused('filter[gateways.id][ne]=', 'filter[gateways.id][ne]');
  await refused(`filter[name][ilike]=${'a'.repeat(201)}`, 'filter[name][ilike]');
  await refused('colour=red', 'colour');
  await refused('sort=status', 'sort');
  await refused('sort=-name:asc', 'sort');
  await refused('sort=toString', 'sort');
  await refused('limit=0', 'limit');
  await refused('limit=ten', 'limit');
  await refused('offset=-1', 'offset');
  const hard = await app.request('GET', `${path}?filter[name][ilike]=${'%25a'.repeat(99)}b`);
  assert.deepEqual([hard.status, hard.json.total], [200, 0]);
});
