import assert from 'node:assert/strict';
import { test } from 'node:test';
import { monotonicMs, RequestStream, whyNoNamespaces } from '@sallyport/testkit';
import { leavesLostLan, movesAndReturns } from '../lab/failover-cases.ts';
import { answersSince, gatewayPair, threeGateways } from '../lab/paths-topologies.ts';
import { wgQuickUp } from '../lab/system.ts';

// One case of each kind; tests/e2e/paths has the others.
const skip = whyNoNamespaces() ?? false;

test('MANUAL: faults move the route from the first gateway to the second, and back', { skip }, async (t) => {
  const pair = await gatewayPair(t);
  const { s, resource, via, stream } = pair;
  await t.test('the gateway’s host is cut off', (part) => movesAndReturns(part, pair, () => s.lab.cut('east')));
  await t.test('its LAN is cut off', (part) => movesAndReturns(part, pair, () => s.lab.cutLan('east')));
  await t.test('the order of the resource decides the carrier', async () => {
    await s.controller.call('saveLoadBalancing', {
      params: { id: resource },
      body: { loadBalancingMode: 'MANUAL', gateways: [s.gateway('west').id, s.gateway('east').id] },
    });
    await stream.answered(monotonicMs(), via.west);
  });
});

test('a route leaves a lost LAN without news from controller or agent, and returns', { skip }, async (t) =>
  leavesLostLan(t, await gatewayPair(t), ['silently']),
);

test('AUTOMATIC: a carrier is kept while it is healthy, and left when it fails', { skip }, async (t) => {
  const { s, via, stream } = await gatewayPair(t, 'AUTOMATIC');
  const { body } = await stream.answered(monotonicMs());
  const [ours, other] = body === via.east ? (['east', 'west'] as const) : (['west', 'east'] as const);
  const settled = monotonicMs();
  await stream.answered(settled + 1500);
  assert.deepEqual(await answersSince(stream, settled), [body]);
  await s.lab.cut(ours);
  await stream.answered(monotonicMs(), via[other]);
});

test('a plain device that connects through a relaying gateway fails over between the others', { skip }, async (t) => {
  const { s, via } = await threeGateways(t);
  const device = await s.controller.addDevice('plain');
  await s.controller.call('updateDevice', {
    params: { id: device.id },
    body: { name: 'plain', entryGateway: s.gateway('hub').id },
  });
  await s.converged();
  await wgQuickUp(s.lab, 'plain', await s.controller.deviceConfiguration(device));
  const stream = await RequestStream.start(await s.lab.host('plain'), s.url('office'), { everyMs: 50, timeoutMs: 500 });
  await stream.answered(monotonicMs(), via.east);
  await s.lab.cut('east');
  await stream.answered(monotonicMs(), via.west);
});
