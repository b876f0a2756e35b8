import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startApi } from './testing/api-server.ts';
import { sally } from './testing/run.ts';

const creates = [
  ['gateways', 'create', 'x'],
  ['resources', 'create', 'x', '--address', '10.0.0.5=HTTPS'],
  ['device', 'add', 'x', '--no-qr', '--out', '-'],
];
const updates = [
  ['gateways', 'update', 'berlin'],
  ['resources', 'update', 'intranet'],
  ['devices', 'update', 'anna'],
];

test('--label gives an object its labels, and an empty one takes them away', async (t) => {
  const sent = async (args: readonly string[]) => {
    const api = await startApi(t);
    const outcome = await sally(api, args);
    assert.equal(outcome.code, 0, outcome.err);
    const write = api.seen.find(({ method }) => method !== 'GET');
    return (write?.body as { labels?: unknown } | undefined)?.labels;
  };
  for (const command of [...creates, ...updates]) {
    assert.deepEqual(await sent([...command, '--label', 'eu', '--label', 'site=berlin']), ['eu', 'site=berlin']);
    assert.equal(await sent([...command, '--label', '']), null);
  }
  for (const command of creates) assert.equal(await sent(command), undefined);
});

test('the text about an object shows its labels', async (t) => {
  for (const args of [
    ['gateways', 'get', 'berlin'],
    ['devices', 'get', 'anna'],
    ['resources', 'get', 'intranet'],
  ])
    assert.match((await sally(await startApi(t), args)).out, /^Labels +eu/m);
});

test('every list takes filters with operators, and all of them apply', async (t) => {
  for (const list of ['gateways', 'devices', 'resources', 'users', 'groups']) {
    const api = await startApi(t);
    const filters = ['--filter', 'label=eu', '--filter', 'label=site=berlin', '--filter', 'name[ne]=x'];
    const outcome = await sally(api, [list, 'list', ...filters]);
    assert.equal(outcome.code, 0, outcome.err);
    const { searchParams } = new URL(api.seen[0]?.url ?? '', 'http://x');
    assert.deepEqual(searchParams.getAll('filter[label][eq]'), ['eu', 'site=berlin'], list);
    assert.deepEqual(searchParams.getAll('filter[name][ne]'), ['x']);
    const wrong = await sally(api, [list, 'list', '--filter', 'label']);
    assert.deepEqual([wrong.code, wrong.err.includes('Not a filter: label')], [2, true], wrong.err);
  }
});
