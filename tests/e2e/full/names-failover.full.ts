import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { monotonicMs, outageOf, RequestStream, until, whyNoNamespaces } from '@sallyport/testkit';
import { makeResource } from '../../lab/administration.ts';
import { configure, hasDnsmasq, startDnsmasq } from '../../lab/names.ts';
import { PathsScenario } from '../../lab/paths-scenario.ts';

const skip = whyNoNamespaces() ?? (hasDnsmasq ? false : 'needs dnsmasq');
const name = 'wiki.corp.example';
const url = `http://${name}/`;
const inARow = 20;

/** Two gateways in one LAN that carry one name, and a native device behind a NAT. */
async function twoGateways(t: TestContext) {
  const s = await PathsScenario.create({
    nats: { home: {} },
    hosts: { laptop: 'home', east: 'internet', west: 'internet' },
    lans: { office: ['east', 'west'] },
    gateways: { east: { endpoint: true }, west: { endpoint: true } },
  });
  t.after(() => s.cleanup.run());
  const server = s.lab.address('office-web');
  await (await s.server('office')).listenTcp(8080);
  await startDnsmasq(s.lab, 'office-web', server, [`${name},${server}`, `vault.corp.example,${server}`]);
  for (const gateway of ['east', 'west'] as const) {
    const body = { name: gateway, wireguardPort: '51820', dnsServers: [{ address: server }] };
    await s.controller.call('updateGateway', { params: { id: s.gateway(gateway).id }, body });
  }
  await configure(s.lab, 'laptop', {
    'resolv.conf': 'nameserver 127.0.0.9\noptions timeout:1 attempts:1\n',
    hosts: '127.0.0.1 localhost\n',
  });
  const gateways = [s.gateway('east').id, s.gateway('west').id];
  const resource = (of: string) =>
    makeResource(s.controller, {
      ...{ name: of, addresses: [`${of}.corp.example`], ports: ['TCP 80', 'TCP 8080'], gateways },
    });
  await s.policy('wiki', { allDevices: true, resources: [await resource('wiki')] });
  await resource('vault');
  const via = { east: s.lab.lanAddress('east'), west: s.lab.lanAddress('west') };
  const laptop = await s.clientUp('laptop');
  await laptop.is('both tunnels', ({ gateways: peers }) => peers.filter(({ path }) => path === 'direct').length >= 2);
  return { s, server, via, laptop };
}

/** Waits until many requests in a row, started at `since` or later, were answered through one gateway. */
async function steady(stream: RequestStream, since: number, body: string): Promise<void> {
  await until(
    `many answers in a row through ${body}`,
    async () => {
      const last = (await stream.samples()).filter(({ at }) => at >= since).slice(-inARow);
      return last.length === inARow && last.every((sample) => sample.body === body);
    },
    { timeoutMs: 120_000 },
  );
}

test('a name fails over between gateways with its address, without controller and without agent', {
  skip,
}, async (t) => {
  const { s, server, via, laptop } = await twoGateways(t);
  const { namespace } = laptop.host;
  /** Returns the address that a program of the device gets for a name. */
  const addressOf = async (asked: string): Promise<string> => {
    const script = `require('node:dns').lookup(${JSON.stringify(asked)}, { family: 4 }, (error, address) => console.log(error ? error.code : address))`;
    return (await namespace.exec(process.execPath, '-e', script)).trim();
  };
  const stream = await RequestStream.start(laptop.host, url, { everyMs: 50, timeoutMs: 1500 });
  await stream.answered(monotonicMs(), via.east);
  const virtual = await addressOf(name);
  assert.match(virtual, /^100\.(9[6-9]|1[01]\d|12[0-7])\./);

  /** Cuts the first gateway until requests go through the second one, and restores it. */
  const failOver = async (part: TestContext) => {
    const at = monotonicMs();
    await s.lab.cut('east');
    await stream.answered(at, via.west);
    await steady(stream, at, via.west);
    assert.equal(await addressOf(name), virtual, 'the address is the same at the other gateway');
    const { failed, ms } = outageOf(await stream.samples(), at);
    part.diagnostic(`${failed} requests failed, and all were answered again after ${Math.round(ms ?? Number.NaN)} ms`);
    await s.lab.restore('east');
    await steady(stream, monotonicMs(), via.east);
    assert.equal(await addressOf(name), virtual);
  };

  await t.test('under a running stream of requests', failOver);

  await t.test('and while the controller is dead', async (part) => {
    await s.controller.daemon.kill('SIGKILL');
    await laptop.is('no controller', ({ controller }) => !controller.connected, 60_000);
    await failOver(part);
    await s.controller.start();
    await s.online('east');
    await s.online('west');
  });

  await t.test('a killed agent ends answers, and nothing else', async () => {
    await laptop.host.startStream('flow', virtual, 8080);
    const direct = await RequestStream.start(laptop.host, `http://${virtual}/`, { everyMs: 50 });
    await s.gateway('east').agent.daemon.kill('SIGKILL');
    await until('no answer about the name', async () => (await addressOf(name)) !== virtual);
    const at = monotonicMs();
    const { received } = await laptop.host.stream('flow');
    await steady(direct, at, via.east);
    await until('echoes', async () => (await laptop.host.stream('flow')).received > received + inARow);
    await direct.stop();
    await laptop.host.stopStream('flow');
    s.gateway('east').agent.start(s.controller, s.gateway('east').token);
    await steady(stream, monotonicMs(), via.east);
    assert.equal(await addressOf(name), virtual);
  });

  await t.test('an edited hosts file opens nothing, also with a way into the tunnel', async () => {
    await configure(s.lab, 'laptop', { hosts: `${server} vault.corp.example ${name}\n` });
    assert.equal(await addressOf(name), server, 'the file is in use');
    const table = ['inet', `sallyport_${s.gateway('east').agent.interface}`];
    const denied = async () => {
      const text = await s.lab.space('east').exec('nft', 'list', 'counter', ...table, 'drop_denied_in');
      return Number(/packets (\d+)/.exec(text)?.[1]);
    };
    const before = await denied();
    await namespace.ip('route', 'add', `${server}/32`, 'dev', laptop.interface);
    await until('a denied packet', async () => {
      const peers = (await namespace.exec('wg', 'show', laptop.interface, 'allowed-ips')).trim().split('\n');
      const [key = '', list = ''] = (peers.find((line) => line.includes(virtual)) ?? '').split('\t');
      const prefixes = [...list.split(' '), `${server}/32`].join(',');
      await namespace.exec('wg', 'set', laptop.interface, 'peer', key, 'allowed-ips', prefixes);
      for (const asked of [name, 'vault.corp.example'])
        assert.ok('error' in (await laptop.host.http(`http://${asked}/`, { timeoutMs: 500 })), asked);
      return (await denied()) > before;
    });
    const own = await laptop.host.http(`http://${virtual}/`, { timeoutMs: 10_000 });
    assert.ok('body' in own, 'the virtual address still opens');
  });
});
