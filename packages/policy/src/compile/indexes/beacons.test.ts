import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changesOf, device, gateway, policy, resource, settings } from '../../testing/build.ts';
import type { WorldBeacon } from '../../types.ts';
import { TenantCompiler } from '../compiler.ts';
import { beaconItems } from './beacons.ts';

const publicKey = (id: string) => Buffer.from(id.padEnd(32, '-')).toString('base64');
const probe: WorldBeacon = { id: 'probe', publicKey: publicKey('probe'), endpoint: null };
const at = (place: string): WorldBeacon[] =>
  ['1', '2'].map((id) => ({ id, publicKey: publicKey(id), endpoint: `${place}.example.net:5181${id}`, place }));
const beacons = (...places: string[]): WorldBeacon[] => [probe, ...places.flatMap(at)];

const agents = Array.from({ length: 300 }, (_, i) => `agent ${i}`);
const placeOf = (agent: string, ...places: string[]) => {
  const items = beaconItems(beacons(...places), agent);
  const hosts = items.flatMap(({ endpoint }) => endpoint?.split('.')[0] ?? []);
  assert.deepEqual(
    items.map(({ id }) => id),
    ['probe', '1', '2'],
  );
  assert.equal(new Set(hosts).size, 1, 'both ports are of one place');
  return hosts[0];
};

test('a place that comes or goes moves its own agents only, and the order of places does not count', () => {
  for (const agent of agents) {
    const of = placeOf(agent, 'a', 'b', 'c');
    assert.equal(placeOf(agent, 'c', 'a', 'b'), of);
    if (of !== 'b') assert.equal(placeOf(agent, 'a', 'c'), of);
    assert.equal(placeOf(agent, 'b'), 'b');
  }
});

test('places get about the same number of agents', () => {
  const counts = Map.groupBy(agents, (agent) => placeOf(agent, 'a', 'b', 'c'));
  for (const place of ['a', 'b', 'c']) assert.ok((counts.get(place)?.length ?? 0) > 60, place);
});

test('beacons of all places, and no place, leave each agent with what it should have', () => {
  assert.deepEqual(
    beaconItems([], 'agent').map(({ id }) => id),
    [],
  );
  const single = at('a').map(({ place: _, ...beacon }) => beacon);
  assert.equal(beaconItems([probe, ...single], 'agent').length, 3);
});

test('only agents of a place that ended get a change, and a compile from the start agrees', () => {
  const gateways = agents.slice(0, 12).map((id) => gateway(id));
  const devices = agents.slice(20, 32).map((id) => device(id, { native: true }));
  const objects = {
    ...{ gateways, devices, resources: [resource('r', ['10.0.0.1'])] },
    policies: [policy('all', 9, { allDevices: true, allResources: true })],
  };
  const compiled = (...places: string[]) => {
    const compiler = new TenantCompiler({ ...settings, beacons: beacons(...places) });
    compiler.apply(changesOf(objects), 0);
    for (const { id } of devices) compiler.follow(id);
    return compiler;
  };
  const compiler = compiled('a', 'b', 'c');
  const moved = compiler.apply([{ kind: 'settings', value: { ...settings, beacons: beacons('a', 'c') } }], 0);
  const fresh = compiled('a', 'c');
  for (const { id } of [...gateways, ...devices]) {
    assert.equal(moved.has(id), placeOf(id, 'a', 'b', 'c') === 'b', id);
    assert.equal(compiler.hash(id), fresh.hash(id), id);
  }
  assert.ok(moved.size > 0);
});
