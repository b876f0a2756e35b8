import assert from 'node:assert/strict';
import { test } from 'node:test';
import { monotonicMs, type NatBehaviour, RequestStream, until, whyNoNamespaces } from '@sallyport/testkit';
import { PathsScenario } from '../lab/paths-scenario.ts';

const skip = whyNoNamespaces() ?? false;
const friendly = { mapping: 'endpoint-independent', filter: 'dropped' } as const;
const symmetric = { mapping: 'symmetric', filter: 'dropped' } as const;

for (const { how, west } of [
  { how: 'directly', west: friendly },
  { how: 'through a relay', west: symmetric },
] as const) {
  test(`site to site, ${how}: hosts of one LAN reach the resource in the other, and nothing else`, {
    skip,
  }, async (t) => {
    const { s, resource } = await twoSites(t, west);
    const [here, there] = await Promise.all([s.server('branch'), s.server('office')]);
    await there.listenTcp(81);
    await here.listenTcp(81);
    const stream = await RequestStream.start(here, s.url('office'), { everyMs: 50, timeoutMs: 500 });
    const policy = await s.policy('branch to office', {
      type: 'SITETOSITE',
      sourceIps: ['10.21.0.0/24'],
      gateways: [s.gateway('west').id],
      resources: [resource],
    });
    await stream.answered(0, undefined, 30_000);
    const hub = await s.controller.call('getGateway', { params: { id: s.gateway('hub').id } });
    assert.equal(hub.statistics?.relayed ?? 0, how === 'directly' ? 0 : 1);
    assert.notEqual(await here.tcp(s.lab.address('office-web'), 81, { timeoutMs: 500 }), 'ok', 'another port');
    assert.notEqual(await here.tcp(s.lab.lanAddress('east'), 80, { timeoutMs: 500 }), 'ok', 'another host');
    assert.notEqual(await there.tcp(s.lab.address('branch-web'), 81, { timeoutMs: 500 }), 'ok', 'the other way round');
    assert.notEqual(await here.tcp(s.lab.address('hub'), 22, { timeoutMs: 500 }), 'ok', 'the internet at large');

    await s.controller.call('deletePolicy', { params: { id: policy } });
    const gone = async () => (await here.tcp(s.lab.address('office-web'), 80, { timeoutMs: 300 })) !== 'ok';
    await until('the way to close', gone);
    const closedAt = monotonicMs();
    await until('requests after that', async () => (await stream.samples()).some(({ at }) => at > closedAt));
    assert.ok((await stream.stop()).filter(({ at }) => at > closedAt).every(({ body }) => body === undefined));
  });
}

/** The office behind `east` and the branch behind `west`, each behind a NAT, and a hub that relays. */
async function twoSites(t: { after(step: () => Promise<void>): void }, west: NatBehaviour) {
  const s = await PathsScenario.create({
    nats: { 'east-nat': friendly, 'west-nat': west },
    hosts: { east: 'east-nat', west: 'west-nat', hub: 'internet' },
    lans: { office: ['east'], branch: ['west'] },
    gateways: { east: {}, west: {}, hub: { endpoint: true, relay: true } },
  });
  t.after(() => s.cleanup.run());
  const resource = await s.open('office', ['east']);
  await s.converged();
  return { s, resource };
}
