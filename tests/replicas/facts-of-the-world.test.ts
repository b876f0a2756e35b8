import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@sallyport/testkit';
import { BeaconPlaces } from '../../apps/controller/src/beacon/places.ts';
import { createTenant } from '../../apps/controller/src/features/tenants/commands.ts';
import { SharedWorld } from '../../apps/controller/src/shared-world.ts';
import { joinReplica, type TestReplica } from '../../apps/controller/src/testing/shared-replicas.ts';
import { freshDatabase, serverOfFile } from './fixtures.ts';

const postgres = serverOfFile();

const quiet = { warn: (about: object, text: string) => assert.fail(`${text} ${JSON.stringify(about)}`) };

/** What a replica takes as its own, from facts of all replicas. */
function worldOf({ replicas, store }: TestReplica) {
  const sources = new Map<string, string>();
  const endpoints = new Map<string, string | null>();
  const unreachable = new Map<string, readonly string[]>();
  const world = new SharedWorld({
    ...{ replicas, now: store.now, log: quiet },
    runtimes: {
      deviceMoved: (_, device, source) => void sources.set(device, source),
      deviceMapped: (_, device, endpoint) => void endpoints.set(device, endpoint),
      unreachable: (_, gateway, resources) => void unreachable.set(gateway, resources),
    },
    seenElsewhere: () => undefined,
    endedElsewhere: () => undefined,
  });
  return { world, known: () => [[...sources], [...endpoints], [...unreachable]].map((facts) => facts.sort()) };
}

test('replicas agree about devices and gateways, and so does one that starts when all others have ended', async () => {
  const place = await freshDatabase(postgres.server);
  const replicas = [await joinReplica(place), await joinReplica(place)];
  const [a, b] = replicas;
  assert.ok(a !== undefined && b !== undefined);
  const { tenant } = await createTenant(a.store, { kind: 'system', id: null, name: 'test' }, 'First');
  const [one, two] = [worldOf(a), worldOf(b)];
  for (let n = 0; n < 40; n++) {
    const { world } = n % 2 === 0 ? one : two;
    const device = `d${n % 3}`;
    world.deviceMoved(tenant.id, device, `198.51.100.${n}`);
    world.mapped(tenant.id, device, { kind: 'independent', endpoint: `192.0.2.1:${1000 + n}` });
    world.unreachable(tenant.id, `g${n % 3}`, [`r${n}`]);
  }
  for (const { replicas: of } of replicas) await of.facts.settled();
  const agree = () => JSON.stringify(one.known()) === JSON.stringify(two.known());
  await until('both know the same', () => one.known()[0]?.length === 3 && agree());
  two.world.mapped(tenant.id, 'd0', { kind: 'undecided' });
  one.world.deviceMoved(tenant.id, 'd1', '203.0.113.1');
  await until('news arrive', () => two.known()[0]?.some(([, source]) => source === '203.0.113.1') === true && agree());
  assert.equal(two.world.sourceDecider('d1'), a.replicas.self.id);
  for (const { replicas: of } of replicas) await of.facts.settled();
  for (const replica of replicas) await replica.stop();
  const late = await joinReplica(place);
  const { world, known } = worldOf(late);
  await until('what was stored counts', () => JSON.stringify(known()) === JSON.stringify(one.known()));
  assert.equal(world.sourceDecider('d1'), null, 'its process has ended');
  await late.stop();
});

test('replicas know where the beacons of the others are, until these end', async () => {
  const place = await freshDatabase(postgres.server);
  const [a, b] = [await joinReplica(place), await joinReplica(place)];
  const keys = { ports: [1, 2].map((n) => ({ privateKey: '', publicKey: `key ${n}` })) } as never;
  const placesOf = ({ replicas }: TestReplica, name: string) => {
    const own = ['1', '2'].map((id) => ({ id, publicKey: `key ${id}`, endpoint: `${name}.example.net:5181${id}` }));
    return new BeaconPlaces({ peers: () => own }, keys, replicas);
  };
  const [one, two] = [placesOf(a, 'one'), placesOf(b, 'two')];
  one.announce();
  two.announce();
  const endpoints = (places: BeaconPlaces) => places.peers().map(({ endpoint, place: at }) => `${endpoint} ${at}`);
  await until('each knows the other', () => one.elsewhere() && two.elsewhere());
  assert.deepEqual(endpoints(one).sort(), endpoints(two).sort());
  assert.equal(endpoints(one).length, 4);
  await b.stop();
  await until('it has ended', () => !one.elsewhere());
  await a.stop();
});
