import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Host, monotonicMs, until, whyNoNamespaces } from '@sallyport/testkit';
import { makePolicy, makeResource } from '../lab/administration.ts';
import { ChangesFollower } from '../lab/changes-follower.ts';
import type { ControllerApi } from '../lab/controller-api.ts';
import { serverOf } from '../lab/nat-lab.ts';
import { PathsScenario } from '../lab/paths-scenario.ts';
import { nats } from '../lab/paths-topologies.ts';
import { ReplicasUnderTest } from '../lab/replicas.ts';

const skip = whyNoNamespaces() ?? false;
const places = ['one', 'two'] as const;
type Place = (typeof places)[number];

test('agents, packets and streams go on while controllers on one database end', { skip }, async (t) => {
  const s = await replicaLab();
  t.after(() => s.cleanup.run());
  const { controller, lab } = s;
  const gateways = ['gate', 'hub'] as const;
  const held = gateways.map((name) => s.gateway(name).id);
  await controller.balancer.use(['one']);
  const laptop = await s.clientUp('laptop');
  const agents = [...held, laptop.id];
  await controller.held(held, ['two']);
  await controller.held([laptop.id], ['one']);

  const office = lab.address(serverOf('office'));
  const wish = { addresses: [office], gateways: [s.gateway('gate').id] };
  const isOpen = async () => (await laptop.host.tcp(office, 7001, { timeoutMs: 300 })) === 'ok';
  const pathIsDirect = () =>
    laptop.is('a direct path', ({ gateways: all }) => all.find(({ name }) => name === 'gate')?.path === 'direct');
  const onlineAt = async (place: Place) => {
    const replica = controller.at(place);
    await Promise.all(held.map((id) => replica.converged(id)));
    for (const id of held) await replica.gatewayIs(id, 'ONLINE');
    const { status } = await replica.call('getDevice', { params: { id: laptop.id } });
    assert.equal(status, 'Online');
  };
  const pathIsKnownAt = async (place: Place) => {
    const replica = controller.at(place);
    await until(`${place} to know the path of the device`, async () => {
      const { paths } = await replica.call('getDevice', { params: { id: laptop.id } });
      return paths?.some(({ via }) => via === 'DIRECT');
    });
  };
  /** Runs a step under traffic, and requires that no packet is lost. */
  const lossless = async (what: () => Promise<void>) => {
    await laptop.host.startDatagrams('datagrams', office, 7000, 10);
    const more = async () => {
      const { received } = await laptop.host.stream('datagrams');
      await until('traffic', async () => (await laptop.host.stream('datagrams')).received > received + 20);
    };
    await more();
    await what();
    await more();
    const { sent, received } = await laptop.host.stopStream('datagrams');
    assert.equal(received, sent, 'datagrams lost');
  };
  /** The agents use both ports of one beacon, each, and these beacons only. */
  const beaconsAre = async (living: readonly Place[]) => {
    const known = new Map(places.map((place) => [lab.address(place), place]));
    const tunnels = [laptop, ...gateways.map((name) => s.gateway(name).agent)];
    const spaces = ['laptop', ...gateways] as const;
    await until(`beacons at ${living.join(' and ')}`, async () => {
      const all = await Promise.all(
        spaces.map(async (space, n) => {
          const name = tunnels[n]?.interface ?? '';
          const peers = await lab.space(space).exec('wg', 'show', name, 'endpoints');
          const beacons = [...peers.matchAll(/\t([\d.]+):(5181[89])$/gm)];
          return beacons.filter(([, address = '']) => known.has(address));
        }),
      );
      return all.every((beacons) => {
        const [first, second] = beacons.map(([, address = '']) => known.get(address));
        const ports = beacons.map(([, , port]) => port).sort();
        return first !== undefined && first === second && living.includes(first) && ports.join() === '51818,51819';
      });
    });
  };
  const discovers = async (address: string) => {
    await lab.nat('home').changeAddress(`${address}/24`);
    await laptop.is(`to be seen as ${address}`, ({ nat }) => nat?.endpoint?.startsWith(`${address}:`) === true);
    await pathIsDirect();
  };
  let follower = await ChangesFollower.open(s.cleanup, lab.space('controller'), controller.at('two'), null);
  const seen: number[] = [];

  await t.test('a change through one controller opens a gateway that another one has', async () => {
    const one = controller.at('one');
    const resource = await makeResource(one, { ...wish, name: 'steady', ports: ['UDP 7000', 'ICMP'] });
    await makePolicy(one, 'steady', { allDevices: true, resources: [resource] });
    await until('the way to be open', async () => (await laptop.host.udp(office, 7000)) === 'ok');
    await pathIsDirect();
    for (const place of places) await onlineAt(place);
    await beaconsAre(places);
    seen.push(...(await follower.until(await revisionOf(controller.at('one')))));
  });

  let policy = '';
  await t.test('kill -9 of a controller: its agents are at another one, and no packet is lost', async (part) => {
    await lossless(async () => {
      const at = monotonicMs();
      await controller.at('two').daemon.kill('SIGKILL');
      await controller.held(agents, ['one']);
      await onlineAt('one');
      part.diagnostic(`agents were back after ${Math.round(monotonicMs() - at)} ms`);
      const resource = await makeResource(controller, { ...wish, name: 'later', ports: ['TCP 7001'] });
      policy = await makePolicy(controller, 'later', { devices: [laptop.id], resources: [resource] });
      await until('the later way to be open', isOpen);
    });
    await beaconsAre(['one']);
    await discovers('203.0.113.98');
  });

  await t.test('a stream of changes goes on at another controller where it was', async () => {
    const last = seen.at(-1) ?? 0;
    follower = await ChangesFollower.open(s.cleanup, lab.space('controller'), controller.at('one'), last);
    const newest = await revisionOf(controller);
    seen.push(...(await follower.until(newest)));
    const gaps = seen.filter((revision, n) => n > 0 && revision !== (seen[n - 1] ?? 0) + 1);
    assert.deepEqual(gaps, []);
    assert.ok(last > 0 && newest > last);
  });

  await t.test('a controller that is stopped hands its agents over, and no packet is lost', async () => {
    await controller.at('two').start();
    await controller.balancer.use(null);
    await controller.held(agents, ['one']);
    for (const place of places) await pathIsKnownAt(place);
    let ended = false;
    const shown = new Set<string>();
    await lossless(async () => {
      const look = (async () => {
        while (!ended)
          for (const id of held) shown.add((await controller.at('two').call('getGateway', { params: { id } })).status);
      })();
      await controller.at('one').daemon.kill('SIGTERM');
      await controller.held(agents, ['two']);
      await onlineAt('two');
      ended = true;
      await look;
      await controller.call('deletePolicy', { params: { id: policy } });
      await until('the later way to be closed', async () => !(await isOpen()));
    });
    assert.equal(controller.at('one').daemon.child.exitCode, 0);
    assert.deepEqual([...shown], ['ONLINE']);
    await beaconsAre(['two']);
    await discovers('203.0.113.97');
  });
});

const revisionOf = async (api: ControllerApi) => (await api.call('getTenant')).revision;

/** A device and a gateway behind a NAT each, a relay, and two controllers, of which the gateways connect to the second. */
async function replicaLab() {
  const s = await PathsScenario.createWith(
    {
      nats: { home: nats.friendly, site: nats.friendly },
      hosts: { laptop: 'home', gate: 'site', hub: 'internet', one: 'internet', two: 'internet' },
      lans: { office: ['gate'] },
      gateways: { gate: {}, hub: { endpoint: true, relay: true } },
    },
    async (lab) => {
      const replicas = await ReplicasUnderTest.start(lab, places);
      await replicas.balancer.use(['two']);
      return replicas;
    },
  );
  const server: Host = await s.server('office');
  await server.listenUdp(7000);
  await server.listenTcp(7001);
  return s;
}
