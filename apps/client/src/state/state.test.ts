import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentSession, PathsView } from '@sallyport/agent-core';
import { clientItem, gatewayId, peerItem, routeItem } from '@sallyport/agent-core/testing';
import type { ResourceItem, StateItem } from '@sallyport/contract/channel';
import { ClientStatus } from '@sallyport/contract/local';
import { isReady, uncarried } from './readiness.ts';
import { mergeSettings, parseSettings } from './settings.ts';
import { clientStatusOf } from './status.ts';

const nothing = { controller: null, insecure: null, caFile: null, interface: null, wireguard: null, dns: null };
const known = {
  controller: 'http://a',
  insecure: true,
  caFile: '/ca.pem',
  interface: 'x',
  wireguard: 'kernel',
  dns: 'resolved',
} as const;

test('stored settings hold until they change', () => {
  assert.equal(mergeSettings(nothing, null, 'sallyport1'), null);
  assert.deepEqual(mergeSettings(nothing, known, 'sallyport1'), known);
  assert.deepEqual(mergeSettings({ ...nothing, controller: 'http://b' }, null, 'sallyport1'), {
    ...{
      controller: 'http://b',
      insecure: false,
      caFile: null,
      interface: 'sallyport1',
      wireguard: 'auto',
      dns: 'auto',
    },
  });
  const moved = mergeSettings({ ...nothing, controller: 'http://b' }, known, 'sallyport1');
  assert.deepEqual([moved?.insecure, moved?.caFile], [false, null], 'these were about the other controller');
});

test('incomplete settings are ignored', () => {
  assert.deepEqual(parseSettings(JSON.stringify({ version: 1, ...known })), known);
  const { dns: _, ...older } = known;
  assert.equal(parseSettings(JSON.stringify({ version: 1, ...older }))?.dns, 'auto', 'of an older client');
  for (const text of [
    JSON.stringify({ version: 1, ...known, dns: 'x' }),
    null,
    '',
    '{}',
    JSON.stringify({ version: 2, ...known }),
    '{"version":1,"controller":5}',
  ])
    assert.equal(parseSettings(text), null);
});

test('a status reports the carrier of each route, and is ready when all routes are carried', () => {
  const wiki: ResourceItem = { kind: 'resource', key: 'resource/w', id: 'w', name: 'wiki', denied: null };
  const denied: ResourceItem = { ...wiki, key: 'resource/d', id: 'd', denied: 'no' };
  const all: StateItem[] = [clientItem(), peerItem(1), routeItem('10.0.0.1', [1], { resources: ['w'] }), wiki, denied];
  const desired = { items: new Map(all.map((item) => [item.key, item])), statement: null };
  const path = { peer: gatewayId(1), name: 'gateway 1', relay: null, endpoint: null, rttMs: 1.23456, lastHandshake: 0 };
  const counts = { rxBytes: 1, txBytes: 2, standing: 'ACTIVE' as const };
  const view = (state: 'direct' | 'lost'): PathsView => ({
    paths: [{ ...path, ...counts, state }],
    routes: [
      {
        ...{ prefix: '10.0.0.1/32', mode: 'MANUAL', resources: ['w'], carrier: gatewayId(1), why: 'first' },
        gateways: [{ gateway: gatewayId(1), against: null }],
      },
    ],
  });
  const status = (state: 'direct' | 'lost') =>
    clientStatusOf({
      names: {
        by: 'resolved',
        problem: null,
        all: false,
        names: [{ kind: 'name', key: 'name/w.example', id: 'w.example', addresses: ['10.0.0.1'], resources: [] }],
      },
      session: { phase: 'live', applied: null, desired, failure: null } as unknown as AgentSession,
      view: view(state),
      ...{ version: '1', pid: 1, device: 'd', enrolled: true, interface: 'i', wireguard: null },
      sighting: { mapping: { kind: 'dependent' }, liveMs: 0 },
      ...{ controller: 'c', notes: [], facts: {} },
    });
  const up = status('direct');
  assert.deepEqual(ClientStatus.parse(up), up);
  assert.deepEqual(up.nat, { kind: 'dependent', endpoint: null });
  assert.equal(up.gateways[0]?.rttMs, 1.23);
  assert.deepEqual(
    up.resources.map(({ name, denied, routes }) => [name, denied, routes]),
    [
      ['wiki', null, ['10.0.0.1/32']],
      ['wiki', 'no', []],
    ],
  );
  const names = [{ name: 'w.example', addresses: ['10.0.0.1'], resources: ['w'] }];
  assert.deepEqual(up.names, { by: 'resolved', problem: null, names });
  assert.deepEqual(uncarried(up), []);
  assert.equal(isReady(up), false, 'nothing is in force');
  assert.equal(isReady({ ...up, current: true }), true);
  assert.equal(isReady({ ...status('lost'), current: true }), false);
});
