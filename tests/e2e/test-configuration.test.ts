import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { Scenario } from '../lab/scenario.ts';

const skip = whyNoNamespaces() ?? false;

test('test-configuration probes the gateway from outside with full packets', { skip }, async (t) => {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  const params = { id: s.gatewayId };
  const [gateway, controller] = [s.world.space('gateway'), s.world.space('controller')];
  const run = () => s.controller.call('testGateway', { params });
  await s.online();

  await t.test('the beacon sees the gateway’s real endpoint', async () => {
    const seen = await until('the beacon to see it', async () => {
      const { natMapping, discoveredEndpoint } = await s.controller.call('getGateway', { params });
      return natMapping === undefined ? null : { natMapping, discoveredEndpoint };
    });
    assert.deepEqual(seen, { natMapping: 'ENDPOINT_INDEPENDENT', discoveredEndpoint: '203.0.113.20:51820' });
  });

  await t.test('all is well', async () => {
    const { status, error, details = '' } = await run();
    assert.deepEqual([status, error], ['ONLINE', undefined], details);
    assert.match(
      details,
      /answers a handshake at 203\.0\.113\.20:51820 in \d+ ms, knocked at from the controller's own network/,
    );
    assert.match(details, /a full packet \(1340 bytes, 1280 in the tunnel\) arrives/);
  });

  await t.test('a router on the path reports that full packets are too long', async () => {
    await controller.ip('route', 'add', '203.0.113.20', 'dev', 'wan0', 'mtu', '1300');
    const { status, error = '' } = await run();
    assert.equal(status, 'ONLINE');
    assert.match(error, /1340 bytes do not fit the way to the gateway: set its MTU, or the tenant's, to 1240 or less/);
    await controller.ip('route', 'del', '203.0.113.20', 'dev', 'wan0');
  });

  await t.test('full packets are lost on the path silently', async () => {
    await gateway.ip('link', 'set', 'wan0', 'mtu', '1300');
    const { error = '', details = '' } = await run();
    assert.match(error, /1340 bytes are lost on the path to the gateway/, details);
    await gateway.ip('link', 'set', 'wan0', 'mtu', '1500');
  });

  await t.test('foreign rules drop packets from the tunnel', async () => {
    await (await s.world.host('web')).listenTcp(80);
    await s.resource('web', ['10.20.0.10'], ['TCP 80']);
    await s.converged();
    assert.equal((await run()).error, undefined);
    await gateway.nft(
      'add table inet others; add chain inet others forward { type filter hook forward priority 0; }; add rule inet others forward tcp dport 80 reject',
    );
    await s.controller.gatewayIs(s.gatewayId, 'ERROR');
    const { status, error = '' } = await run();
    assert.equal(status, 'ERROR');
    assert.match(error, /Not reachable from the gateway: web\./);
    assert.match(
      error,
      /Packets of the tunnel to 10\.20\.0\.10 port 80 do not get through.*chain forward of table inet others.*nft insert rule inet others forward iifname/,
    );
    await gateway.nft('delete table inet others');
    await s.online();
  });

  await t.test('a firewall is closed', async () => {
    await gateway.nft(
      'add table inet closed; add chain inet closed in { type filter hook input priority -300; }; add rule inet closed in udp dport 51820 drop',
    );
    const { status, error = '' } = await run();
    assert.equal(status, 'ONLINE');
    assert.match(error, /WireGuard does not answer at 203\.0\.113\.20:51820: .*open that UDP port in every firewall/);
  });
});
