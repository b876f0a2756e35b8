import assert from 'node:assert/strict';
import { test } from 'node:test';
import { monotonicMs, until, whyNoNamespaces } from '@sallyport/testkit';
import { leavesLostLan, movesAndReturns } from '../../lab/failover-cases.ts';
import { answersSince, gatewayPair } from '../../lab/paths-topologies.ts';

const skip = whyNoNamespaces() ?? false;

test('MANUAL: faults move the route from the first gateway to the second, and back', { skip }, async (t) => {
  const pair = await gatewayPair(t);
  const { s, via, laptop, stream } = pair;
  await stream.answered(monotonicMs(), via.east);

  await t.test('the gateway’s cable is pulled', (part) =>
    movesAndReturns(part, pair, () => s.lab.cut('east', 'unplugged')),
  );

  await t.test('kill -9 of a gateway’s agent moves no route', async () => {
    const at = monotonicMs();
    await s.gateway('east').agent.daemon.kill('SIGKILL');
    await s.controller.gatewayIs(s.gateway('east').id, 'OFFLINE');
    await stream.answered(monotonicMs() + 1000);
    assert.deepEqual(await answersSince(stream, at), [via.east]);
    s.gateway('east').agent.start(s.controller, s.gateway('east').token);
    await s.online('east');
  });

  await t.test('a dead or unreachable controller moves no route, and failover works without it', async (part) => {
    const at = monotonicMs();
    await s.lab.cut('controller');
    await laptop.is('no controller', ({ controller }) => !controller.connected);
    assert.deepEqual(await answersSince(stream, at), [via.east]);
    await movesAndReturns(part, pair, () => s.lab.cut('east'));
    await s.lab.restore('controller');
    await s.online('east');
    await s.online('west');
  });

  await t.test('MAINTENANCE moves new flows to another gateway, then reports safe to stop', async () => {
    const params = { id: s.gateway('east').id };
    const intend = (intent: 'MAINTENANCE' | 'ACTIVE') =>
      s.controller.call('updateGateway', { params, body: { name: 'east', wireguardPort: '51820', intent } });
    await intend('MAINTENANCE');
    const drainedAt = (await stream.answered(monotonicMs(), via.west)).at;
    // The status changes after two heartbeats without traffic.
    await until(
      'safe to stop',
      async () => (await s.controller.call('getGateway', { params })).statistics?.safeToStop === true,
    );
    const activeAt = monotonicMs();
    await intend('ACTIVE');
    const movedAt = (await stream.answered(monotonicMs(), via.east)).at;
    // The move back cuts requests that are under way, also those that began before it: WireGuard has one peer for a
    // destination.
    const isUnderWay = ({ at, ms }: { at: number; ms: number }) => at + ms >= activeAt && at < movedAt;
    const failed = (await stream.samples()).filter(({ at, error }) => at >= drainedAt && error !== undefined);
    assert.deepEqual(
      failed.filter((sample) => !isUnderWay(sample)),
      [],
    );
  });
});

test('a route leaves a lost LAN without news from controller or agent, and returns', { skip }, async (t) =>
  leavesLostLan(t, await gatewayPair(t), ['silently', 'unplugged']),
);
