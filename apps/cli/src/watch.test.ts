import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveMessage } from '@sallyport/contract';
import { type ApiServer, pieceOf, problem, startApi } from './testing/api-server.ts';
import { gateway, uuid } from './testing/fixtures.ts';
import { sally } from './testing/run.ts';

const pieces = (...messages: LiveMessage[]) =>
  messages.map((message) => pieceOf('sse', message, String(message.revision))).join('');

const topicsSet = (api: ApiServer) =>
  api.seen.flatMap(({ operation, body }) => (operation === 'setLiveTopics' ? [body] : []));

test('watch without a selection follows the figures and changes of the tenant', async (t) => {
  const api = await startApi(t);
  const text = pieces(
    { stream: uuid(1), revision: 7 },
    {
      revision: 8,
      changes: [{ kind: 'policy', id: uuid(61), op: 'update' }],
      overview: { gateways: { ONLINE: 2, ERROR: 1 }, devices: { total: 9, online: 4 } },
    },
  );
  api.replies.set('followLive', () => ({ text }));
  const outcome = await sally(api, ['watch', '--limit', '1']);
  assert.equal(outcome.code, 0, outcome.err);
  assert.equal(outcome.out, `8  update  policy ${uuid(61)}\ngateways: 2 ONLINE, 1 ERROR; devices: 4 of 9 online\n`);
  assert.deepEqual(topicsSet(api), [{ gateways: [], statistics: [], devices: [], paths: [], overview: true }]);
});

test('watch shows the selected gateways and devices by name, and sets the topics again on a new stream', async (t) => {
  const api = await startApi(t);
  api.replies.set('listGateways', () => ({ body: [gateway(11, 'berlin')] }));
  const id = uuid(11);
  const answers = [
    {
      text: pieces({ stream: uuid(1), revision: 7 }, { revision: 7, gateways: [{ id, status: 'ONLINE' }] }),
      cut: true as const,
    },
    problem(503, 'unavailable'),
    {
      text: pieces(
        { stream: uuid(2), revision: 9, reload: true },
        {
          revision: 9,
          changes: [{ kind: 'policy', id: uuid(61), op: 'update' }],
          gateways: [{ id, status: 'ERROR', error: 'port\u001b in use' }],
          statistics: [{ id, connectedDevices: 3, bytesIn: 2048, bytesOut: 0, lag: 2 }],
        },
      ),
    },
  ];
  api.replies.set('followLive', () => answers.shift() ?? problem(500, 'internal'));
  const outcome = await sally(api, ['watch', '--gateway', 'berlin', '--limit', '3']);
  assert.equal(outcome.code, 0, outcome.err);
  assert.deepEqual(outcome.out.split('\n'), [
    'gateway berlin  ONLINE',
    '9  some changes were left out: read the objects again',
    'gateway berlin  ERROR  port  in use',
    'gateway berlin  3 connected  2.0 KiB in, 0 B out  2 changes not applied yet',
    '',
  ]);
  assert.equal(topicsSet(api).length, 2);
  assert.equal(api.seen.filter(({ operation }) => operation === 'followLive')[2]?.headers['last-event-id'], '7');
});

test('watch --json prints each message as it came', async (t) => {
  const api = await startApi(t);
  const message = { revision: 8, unknown: [uuid(11)] };
  api.replies.set('followLive', () => ({ text: pieces({ stream: uuid(1), revision: 7 }, message) }));
  const outcome = await sally(api, ['watch', '--json', '--limit', '1']);
  assert.deepEqual(JSON.parse(outcome.out), message);
});
