import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Facts, faultsOf } from './health.ts';
import { readStatusFile } from './status-file.ts';

const status = { version: '2.0.0', revision: 7, hash: 'h', failure: null, connected: true };
const peers = new Map([
  ['busy', 1_000],
  ['quiet', null],
]);
const before: Facts = { pid: 1, status: { ...status, version: '1.0.0' }, peers };
const healthy: Facts = { pid: 2, status, peers };
const away = { ...status, connected: false };

function faults(now: Partial<Facts>, { was = before, controllerAnswers = true } = {}): string[] {
  return faultsOf({ version: '2.0.0', before: was, now: { ...healthy, ...now }, controllerAnswers });
}

test('an agent that holds the state and the tunnels of the old one is healthy', () => {
  assert.deepEqual(faults({}), []);
  assert.deepEqual(faults({ status: { ...status, revision: 9, hash: 'later' } }), []);
  assert.deepEqual(faults({ peers: new Map([['busy', 1_000]]) }), [], 'a connected agent was told to remove a peer');
});

test('an absent controller is no fault; a connection that only the new agent lacks is one', () => {
  assert.deepEqual(faults({ status: away }, { controllerAnswers: false }), []);
  assert.match(faults({ status: away }).join(), /no connection to the controller, which answers/);
  const offline = { ...before, status: { ...status, connected: false } };
  assert.deepEqual(faults({ status: away }, { was: offline }), []);
});

test('each lost part of the old state is a fault', () => {
  const alone = { controllerAnswers: false };
  assert.match(faults({ pid: null, status: null }).join(), /does not run/);
  assert.match(faults({ status: null }).join(), /has not said yet/);
  assert.match(faults({ status: { ...status, version: '1.0.0' } }).join(), /version 1\.0\.0 runs/);
  assert.match(faults({ status: { ...status, revision: null, hash: null } }).join(), /no state/);
  assert.match(faults({ status: { ...away, revision: 6 } }, alone).join(), /another state/);
  assert.match(faults({ status: { ...away, hash: 'other' } }, alone).join(), /another state/);
  assert.match(faults({ peers: null }).join(), /tunnel is gone/);
  assert.match(faults({ peers: new Map() }).join(), /every peer is gone/);
  assert.match(faults({ peers: new Map([['busy', null]]) }).join(), /session with the peer busy is gone/);
  assert.match(faults({ status: away, peers: new Map([['busy', 1_000]]) }, alone).join(), /peer quiet is gone/);
});

test('a failure is a fault unless the old agent had it, too', () => {
  const failing = { ...status, failure: 'the port is taken (port-taken)' };
  assert.deepEqual(faults({ status: failing }), ['the port is taken (port-taken)']);
  assert.deepEqual(faults({ status: failing }, { was: { ...before, status: failing } }), []);
});

test('an agent that was not enrolled before only has to run', () => {
  const fresh = { pid: 1, status: { ...away, revision: null, hash: null }, peers: null };
  assert.deepEqual(faults({ status: { ...away, revision: null, hash: null }, peers: null }, { was: fresh }), []);
});

test('status files of other versions are read as far as the judge needs them', () => {
  const gateway = {
    ...{ pid: 5, version: '9.0.0', phase: 'live', failure: null, added: { by: 'a later version' } },
    applied: { revision: { epoch: 'e', number: 4, more: 1 }, hash: 'h' },
  };
  const read = { version: '9.0.0', revision: 4, hash: 'h', failure: null, connected: true };
  assert.deepEqual(readStatusFile('gateway', JSON.stringify(gateway), 5), read);
  assert.equal(readStatusFile('gateway', JSON.stringify(gateway), 6), null, 'of another process');
  const { version: _, ...older } = { ...gateway, applied: null, failure: { code: 'c', message: 'm' } };
  assert.deepEqual(readStatusFile('gateway', JSON.stringify(older), 5), {
    ...{ version: 'older', revision: null, hash: null, failure: 'm (c)', connected: true },
  });
  const client = { pid: 5, version: '9.0.0', revision: 3, error: null, controller: { connected: false }, added: 1 };
  assert.deepEqual(readStatusFile('client', JSON.stringify(client), 5), {
    ...{ version: '9.0.0', revision: 3, hash: null, failure: null, connected: false },
  });
  for (const text of ['', '{', 'null', '[]', '"x"', '{"pid":5', '7'])
    assert.equal(readStatusFile('client', text, 5), null, text);
});
