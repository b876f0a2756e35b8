import assert from 'node:assert/strict';
import { test } from 'node:test';
import { monotonicMs, RequestStream, until, whyNoNamespaces } from '@sallyport/testkit';
import { PathsScenario } from '../lab/paths-scenario.ts';
import { wgQuickUp } from '../lab/system.ts';

const skip = whyNoNamespaces() ?? false;

/** Two gateways in one LAN, a third one that relays, and devices behind a NAT. */
async function threeGateways(t: { after(step: () => Promise<void>): void }, mode: 'MANUAL' | 'AUTOMATIC' = 'MANUAL') {
  const s = await PathsScenario.create({
    nats: { home: {} },
    hosts: { laptop: 'home', plain: 'home', east: 'internet', west: 'internet', hub: 'internet' },
    lans: { office: ['east', 'west'] },
    gateways: { east: { endpoint: true }, west: { endpoint: true }, hub: { endpoint: true, relay: true } },
  });
  t.after(() => s.cleanup.run());
  const resource = await s.open('office', ['east', 'west'], { mode });
  const via = { east: s.lab.lanAddress('east'), west: s.lab.lanAddress('west') };
  return { s, resource, via };
}

/** The same with a native device and running requests. */
async function pair(t: { after(step: () => Promise<void>): void }, mode: 'MANUAL' | 'AUTOMATIC' = 'MANUAL') {
  const { s, resource, via } = await threeGateways(t, mode);
  const laptop = await s.clientUp('laptop');
  const stream = await RequestStream.start(laptop.host, s.url('office'), { everyMs: 25, timeoutMs: 400 });
  await laptop.is('both tunnels', ({ gateways }) => gateways.filter(({ path }) => path === 'direct').length >= 2);
  return { s, resource, via, laptop, stream };
}

/**
 * Returns which gateways answered requests since a moment. A request that a busy machine leaves without an answer tells
 * nothing about the carrier.
 */
async function answersSince(stream: RequestStream, since: number): Promise<(string | undefined)[]> {
  const answers = (await stream.samples()).filter(({ at, body }) => at >= since && body !== undefined);
  return [...new Set(answers.map(({ body }) => body))];
}

test('MANUAL: faults move the route from the first gateway to the second, and back', { skip }, async (t) => {
  const { s, resource, via, laptop, stream } = await pair(t);
  await stream.answered(monotonicMs(), via.east);

  for (const { name, fault, limitMs } of [
    { name: 'the gateway’s host is cut off', fault: () => s.lab.cut('east'), limitMs: 1500 },
    { name: 'its cable is pulled', fault: () => s.lab.cut('east', 'unplugged'), limitMs: 1500 },
    { name: 'its LAN is cut off', fault: () => s.lab.cutLan('east'), limitMs: 3000 },
  ]) {
    await t.test(name, async (part) => {
      const at = monotonicMs();
      await fault();
      const first = await stream.answered(at, via.west);
      const ms = first.at + first.ms - at;
      part.diagnostic(`through the other gateway after ${Math.round(ms)} ms`);
      assert.ok(ms < limitMs, `${ms} ms`);
      await s.lab.restore('east');
      await stream.answered(monotonicMs(), via.east, 60_000);
    });
  }

  await t.test('kill -9 of a gateway’s agent moves no route', async () => {
    const at = monotonicMs();
    await s.gateway('east').agent.daemon.kill('SIGKILL');
    await s.controller.gatewayIs(s.gateway('east').id, 'OFFLINE', 40_000);
    await stream.answered(monotonicMs() + 1000);
    assert.deepEqual(await answersSince(stream, at), [via.east]);
    s.gateway('east').agent.start(s.controller, s.gateway('east').token);
    await s.online('east');
  });

  await t.test('a dead or unreachable controller moves no route, and failover works without it', async () => {
    const at = monotonicMs();
    await s.lab.cut('controller');
    await laptop.is('no controller', ({ controller }) => !controller.connected, 60_000);
    assert.deepEqual(await answersSince(stream, at), [via.east]);
    const cutAt = monotonicMs();
    await s.lab.cut('east');
    const { at: began, ms } = await stream.answered(cutAt, via.west);
    assert.ok(began + ms - cutAt < 1500, `${began + ms - cutAt} ms`);
    await s.lab.restore('east');
    await stream.answered(monotonicMs(), via.east, 60_000);
    await s.lab.restore('controller');
    await s.online('east');
    await s.online('west');
  });

  await t.test('MAINTENANCE moves new flows to another gateway, then reports safe to stop', async () => {
    const params = { id: s.gateway('east').id };
    await s.controller.call('updateGateway', {
      params,
      body: { name: 'east', wireguardPort: '51820', intent: 'MAINTENANCE' },
    });
    const drainedAt = (await stream.answered(monotonicMs(), via.west)).at;
    // The status changes after two heartbeats without traffic.
    const safe = async () => (await s.controller.call('getGateway', { params })).statistics?.safeToStop === true;
    await until('safe to stop', safe, { timeoutMs: 45_000 });
    const activeAt = monotonicMs();
    await s.controller.call('updateGateway', {
      params,
      body: { name: 'east', wireguardPort: '51820', intent: 'ACTIVE' },
    });
    const movedAt = (await stream.answered(monotonicMs(), via.east)).at;
    // The move back cuts requests that are under way: WireGuard has one peer for a destination.
    const underWay = (at: number) => at >= activeAt && at < movedAt;
    const failed = (await stream.samples()).filter((each) => each.at >= drainedAt && each.error !== undefined);
    assert.deepEqual(
      failed.filter(({ at }) => !underWay(at)),
      [],
    );
  });

  await t.test('the order of the resource decides the carrier', async () => {
    await s.controller.call('saveLoadBalancing', {
      params: { id: resource },
      body: { loadBalancingMode: 'MANUAL', gateways: [s.gateway('west').id, s.gateway('east').id] },
    });
    await stream.answered(monotonicMs(), via.west);
  });
});

test('a route leaves a lost LAN without news from controller or agent, and returns', {
  skip,
}, async (t) => {
  const { s, via, laptop, stream } = await pair(t);
  await stream.answered(monotonicMs(), via.east);
  await s.controller.daemon.kill('SIGKILL');
  await s.gateway('east').agent.daemon.kill('SIGKILL');
  await laptop.is('no controller', ({ controller }) => !controller.connected, 60_000);
  for (const how of ['silently', 'unplugged'] as const) {
    await stream.answered(monotonicMs(), via.east, 120_000);
    const at = monotonicMs();
    await s.lab.cutLan('east', how);
    const first = await stream.answered(at, via.west, 30_000);
    t.diagnostic(`cut ${how}: through the other gateway after ${Math.round(first.at + first.ms - at)} ms`);
    await s.lab.restore('east');
  }
  await stream.answered(monotonicMs(), via.east, 120_000);
});

test('AUTOMATIC: a carrier is kept while it is healthy, and left when it fails', { skip }, async (t) => {
  const { s, via, stream } = await pair(t, 'AUTOMATIC');
  const { body } = await stream.answered(monotonicMs());
  const [ours, other] = body === via.east ? (['east', 'west'] as const) : (['west', 'east'] as const);
  const settled = monotonicMs();
  await stream.answered(settled + 1500);
  assert.deepEqual(await answersSince(stream, settled), [body]);
  await s.lab.cut(ours);
  await stream.answered(monotonicMs(), via[other], 5000);
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
