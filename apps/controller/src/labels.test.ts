import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { filterOperators, mostLabels } from '@sallyport/contract';
import { labelsFit } from './http/filters.ts';
import { assertRefused, makers, revisionOf } from './testing/api.ts';
import { openTestApp, type TestApp } from './testing/harness.ts';

interface Labelled {
  readonly id: string;
  readonly name: string;
  readonly labels?: readonly string[];
}

const given = [['eu', 'site=berlin'], ['eu'], ['us', 'site=boston'], [], ['e'], ['site=berlin']];

/** Objects of each kind with the labels of `given`, in order. */
async function world(t: TestContext) {
  const app = await openTestApp(t);
  const make = makers(app);
  const { id } = await make.protocol('443');
  for (const [i, labels] of given.entries()) {
    await make.gateway(`g${i}`, { labels });
    await make.device(`d${i}`, { labels });
    await make.resource(`r${i}`, [{ address: `10.0.0.${i}`, protocols: [id] }], { labels });
  }
  return app;
}

const kinds = ['gateways', 'devices', 'resources'] as const;
type Kind = (typeof kinds)[number];

async function listed(app: TestApp, kind: Kind, query = ''): Promise<Labelled[]> {
  const { status, json, text } = await app.request('GET', `/tenants/${kind}?limit=100${query}`);
  assert.equal(status, 200, text);
  return json.data ?? json;
}

const ids = (list: readonly Labelled[]) => list.map(({ id }) => id);

test('objects of each kind show the labels that they were given, whole and in summaries', async (t) => {
  const app = await world(t);
  for (const kind of kinds)
    for (const fields of ['', '&fields=summary']) {
      const shown = (await listed(app, kind, fields)).map(({ labels }) => labels);
      assert.deepEqual(
        shown,
        given.map((labels) => (labels.length === 0 ? undefined : labels.toSorted())),
        kind,
      );
    }
});

test('every operator of the filter on labels finds what a plain list would', async (t) => {
  const app = await world(t);
  for (const kind of kinds) {
    const all = await listed(app, kind);
    for (const operator of filterOperators)
      for (const values of [['eu'], ['site=berlin'], ['e'], [''], ['site=%'], ['eu', 'us'], ['', 'us']]) {
        const many = operator === 'in' || operator === 'nin';
        if (many ? values[0] === 'site=%' : values.length > 1) continue;
        if (values[0] === 'site=%' && operator !== 'ilike') continue;
        const query = `&filter[label][${operator}]=${encodeURIComponent(values.join(','))}`;
        const expected = all.filter(({ labels = [] }) => labelsFit(labels, { operator, values }));
        assert.deepEqual(ids(await listed(app, kind, query)), ids(expected), `${kind} ${query}`);
      }
  }
});

test('several conditions on labels all apply', async (t) => {
  const app = await world(t);
  for (const kind of kinds) {
    const names = async (query: string) => (await listed(app, kind, query)).map(({ name }) => name.slice(1));
    assert.deepEqual(await names('&filter[label]=eu'), ['0', '1'], 'a label is not a part of another');
    assert.deepEqual(await names('&filter[label]=EU'), ['0', '1'], 'letter case does not count');
    assert.deepEqual(await names('&filter[label]=eu&filter[label]=site=berlin'), ['0']);
    assert.deepEqual(await names('&filter[label]=eu&filter[label][ne]=site=berlin'), ['1']);
    assert.deepEqual(await names('&filter[label][nin]=eu,us'), ['3', '4', '5']);
    assert.deepEqual(await names('&filter[label]='), ['3'], 'an empty value: objects without labels');
    assert.deepEqual(await names('&filter[label][ne]='), ['0', '1', '2', '4', '5']);
    assert.deepEqual(await names('&filter[label][ilike]=site=b%25'), ['0', '2', '5']);
    assert.deepEqual(await names('&q=berlin'), ['0', '5'], 'search finds labels');
    assert.deepEqual(await names('&q=%22'), [], 'search does not find how labels are stored');
  }
});

test('labels are kept by an update without them, replaced by one with them, and audited', async (t) => {
  const app = await world(t);
  const { id: protocol } = await makers(app).protocol('80');
  const rest: Record<Kind, object> = {
    gateways: { wireguardPort: '51820' },
    devices: {},
    resources: { addresses: [{ address: '10.9.9.9', protocols: [protocol] }] },
  };
  for (const kind of kinds) {
    const [object] = await listed(app, kind);
    assert.ok(object !== undefined);
    const method = kind === 'resources' ? 'PUT' : 'PATCH';
    const path = `/tenants/${kind}/${object.id}`;
    const update = async (body: object) => {
      const answer = await app.request(method, path, { body: { name: 'renamed', ...rest[kind], ...body } });
      assert.equal(answer.status, 200, answer.text);
      return answer.json.labels;
    };
    assert.deepEqual(await update({}), ['eu', 'site=berlin']);
    assert.deepEqual(await update({ labels: ['Zone/2', 'b', 'B', 'a'] }), ['a', 'b', 'zone/2']);
    const before = await revisionOf(app);
    assert.deepEqual(await update({ labels: ['b', 'zone/2', 'a'] }), ['a', 'b', 'zone/2']);
    assert.equal(await revisionOf(app), before, 'the same labels are no change');
    assert.equal(await update({ labels: null }), undefined);
    const { json } = await app.request('GET', `/tenants/audit-events?limit=1&object=${object.id}`);
    const [event] = json.data;
    assert.deepEqual([event.before.labels, event.after.labels], [['a', 'b', 'zone/2'], []], kind);
  }
});

test('texts that are no labels, and too many labels, are refused by name', async (t) => {
  const app = await world(t);
  const body = { name: 'x', wireguardPort: '51820' };
  const refused = (labels: unknown, pointer: string) =>
    assertRefused(app, ['POST', '/tenants/gateways', { body: { ...body, labels } }], 400, 'invalid_request', [pointer]);
  for (const wrong of ['', ' ', 'a b', 'a,b', '-a', 'a-', 'a"b', 'ü', 'a\u200b', 'x'.repeat(64)])
    await refused(['eu', wrong], '/labels/1');
  await refused('eu', '/labels');
  await refused(
    Array.from({ length: mostLabels + 1 }, (_, i) => `l${i}`),
    '/labels',
  );
  for (const kind of kinds)
    await assertRefused(app, ['GET', `/tenants/${kind}?filter[label]=a%22b`], 400, 'invalid_request', [
      'query/filter[label]',
    ]);
});
