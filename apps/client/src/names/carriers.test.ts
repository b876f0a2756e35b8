import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PathsView, RouteView } from '@sallyport/agent-core';
import { carriersInOrder } from './carriers.ts';

const berlin = '100.96.0.1/32';
const paris = '100.96.0.2/32';

/** Both names of two networks, each with one gateway. */
function view(
  of: Partial<Record<'berlin' | 'paris', { against?: string; rttMs?: number; carrier?: null }>>,
  mode = 'MANUAL',
) {
  const names = ['berlin', 'paris'] as const;
  const routes = names.map((id): RouteView => {
    const { against = null, carrier = id } = of[id] ?? {};
    const prefix = id === 'berlin' ? berlin : paris;
    return {
      ...{ prefix, mode: mode as 'MANUAL', resources: ['w'], carrier, why: '' },
      gateways: [{ gateway: id, against }],
    };
  });
  const paths = names.map((peer) => ({
    ...{ peer, name: peer, state: 'direct', relay: null, endpoint: null, rttMs: of[peer]?.rttMs ?? null },
    ...{ lastHandshake: null, rxBytes: 0, txBytes: 0, standing: 'ACTIVE' },
  }));
  return { routes, paths } as unknown as PathsView;
}

test('the gateways of several networks are asked in order, those with a fault last', () => {
  const both = [berlin, 'fd00::1/128', paris];
  assert.deepEqual(carriersInOrder(both, view({})), ['berlin', 'paris']);
  assert.deepEqual(carriersInOrder(both, view({ berlin: { against: 'it does not answer' } })), ['paris', 'berlin']);
  assert.deepEqual(carriersInOrder(both, view({ berlin: { carrier: null } })), ['paris']);
  assert.deepEqual(carriersInOrder([paris, berlin], view({})), ['paris', 'berlin']);
});

test('in mode AUTOMATIC a much slower gateway gives way, and a slightly slower one does not', () => {
  const both = [berlin, paris];
  const of = (ms: number) => ({ berlin: { rttMs: ms }, paris: { rttMs: 10 } });
  assert.deepEqual(carriersInOrder(both, view(of(39), 'AUTOMATIC')), ['berlin', 'paris']);
  assert.deepEqual(carriersInOrder(both, view(of(41), 'AUTOMATIC')), ['paris', 'berlin']);
  assert.deepEqual(carriersInOrder(both, view(of(41))), ['berlin', 'paris'], 'in mode MANUAL the order counts');
});
