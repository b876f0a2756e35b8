import assert from 'node:assert/strict';
import { test } from 'node:test';
import { monotonicMs, RequestStream, until, whyNoNamespaces } from '@sallyport/testkit';
import { makeResource } from '../lab/administration.ts';
import type { ClientUnderTest } from '../lab/client.ts';
import { PathsScenario } from '../lab/paths-scenario.ts';

const skip = whyNoNamespaces() ?? false;

const network = '10.20.0.0/24';
const phone = '10.20.0.11';

/**
 * Two gateways in one LAN, and a server elsewhere that both reach. One gateway carries a network without a named port,
 * an address with UDP and ICMP only, and that server, which always answers.
 */
async function mixedTraffic(t: { after(step: () => Promise<void>): void }) {
  const s = await PathsScenario.create({
    nats: { home: {} },
    hosts: { laptop: 'home', east: 'internet', west: 'internet', depot: 'internet' },
    lans: { office: ['east', 'west'] },
    gateways: { east: { endpoint: true }, west: { endpoint: true } },
  });
  t.after(() => s.cleanup.run());
  await s.lab.space('office-web').ip('address', 'add', `${phone}/24`, 'dev', 'lan0');
  await (await s.server('office')).listenUdp(5060, phone);
  await (await s.lab.host('depot')).listenHttp(80, 'depot');
  const gateways = [s.gateway('east').id, s.gateway('west').id];
  const wishes = [
    { name: 'office network', addresses: [network], ports: ['TCP 1-65535'] },
    { name: 'phone', addresses: [phone], ports: ['UDP 5060', 'ICMP'] },
    { name: 'depot', addresses: [s.lab.address('depot')], ports: ['TCP 80'] },
  ];
  const resources: string[] = [];
  for (const wish of wishes) resources.push(await makeResource(s.controller, { ...wish, gateways }));
  await s.policy('everybody everywhere', { allDevices: true, resources });
  await s.converged();
  await s.lab.space('laptop').nft(`table inet seen {
    counter echoes { }
    chain input {
      type filter hook input priority -10;
      ip saddr ${phone} icmp type echo-reply counter name echoes
    }
  }`);
  const laptop = await s.clientUp('laptop');
  await laptop.is('both tunnels', (status) => status.gateways.filter(({ path }) => path === 'direct').length >= 2);
  const options = { everyMs: 50, timeoutMs: 400 };
  const office = await RequestStream.start(laptop.host, s.url('office'), options);
  const depot = await RequestStream.start(laptop.host, `http://${s.lab.address('depot')}/`, options);
  await laptop.host.startDatagrams('calls', phone, 5060, 100);
  return { s, laptop, office, depot, via: { east: s.lab.lanAddress('east'), west: s.lab.lanAddress('west') } };
}

async function carries(laptop: ClientUnderTest, prefix: string, gateway: string): Promise<boolean> {
  return (await laptop.status()).routes.some((route) => route.prefix === prefix && route.carrier === gateway);
}

test('a route leaves a lost LAN although other traffic through the same gateway gets answers', { skip }, async (t) => {
  const { s, laptop, office, depot, via } = await mixedTraffic(t);
  const space = s.lab.space('laptop');
  const [east, west] = [s.gateway('east').id, s.gateway('west').id];
  await office.answered(monotonicMs(), via.east);
  await depot.answered(monotonicMs(), 'depot');
  // The device discovers that the phone answers an echo.
  const echoes = async () => /packets [1-9]/.test(await space.exec('nft', 'list', 'counter', 'inet', 'seen', 'echoes'));
  await until('an answered echo of the device to the phone', echoes, { timeoutMs: 60_000 });
  await s.controller.daemon.kill('SIGKILL');
  await s.gateway('east').agent.daemon.kill('SIGKILL');
  await laptop.is('no controller', ({ controller }) => !controller.connected, 60_000);

  for (const how of ['silently', 'unplugged'] as const) {
    await t.test(`cut ${how}`, async (part) => {
      await office.answered(monotonicMs(), via.east, 120_000);
      await until('the phone through the first gateway', () => carries(laptop, `${phone}/32`, east), {
        timeoutMs: 120_000,
      });
      const at = monotonicMs();
      await s.lab.cutLan('east', how);
      const first = await office.answered(at, via.west, 60_000);
      part.diagnostic(`the network after ${Math.round(first.at + first.ms - at)} ms`);
      await until('the phone through the other gateway', () => carries(laptop, `${phone}/32`, west), {
        timeoutMs: 60_000,
      });
      part.diagnostic(`the phone after at most ${Math.round(monotonicMs() - at)} ms`);
      await depot.answered(monotonicMs(), 'depot');
      assert.ok(await carries(laptop, `${s.lab.address('depot')}/32`, east), 'what is answered stays where it is');
      await s.lab.restore('east');
    });
  }
});
