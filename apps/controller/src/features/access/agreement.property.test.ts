import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Explanation, MatrixEntry } from '@sallyport/contract';
import { parseAddress, parsePrefix, rangeContains } from '@sallyport/ip';
import { type AccessQuery, evaluate, type World } from '@sallyport/policy';
import fc from 'fast-check';
import { makers } from '../../testing/api.ts';
import { present } from '../../testing/channel.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const prefixes = ['10.0.0.0/24', '10.0.0.0/30', '10.0.0.2', '10.0.0.5', '10.0.1.0/24', 'fd00::/64', 'fd00::5'];
const destinations = ['10.0.0.0', '10.0.0.2', '10.0.0.5', '10.0.0.9', '10.0.1.1', '10.9.9.9', 'fd00::1', 'fd00::5'];
const packets = [{ protocol: 'TCP', port: 80 }, { protocol: 'TCP', port: 443 }, { protocol: 'ICMP' }] as const;

const [gateways, devices, resources] = [2, 3, 4] as const;
const some = (count: number, minLength = 0) =>
  fc.subarray(
    Array.from({ length: count }, (_, n) => n),
    { minLength },
  );

const plan = fc.record({
  resources: fc.array(
    fc.record({
      prefixes: fc.subarray(prefixes, { minLength: 1, maxLength: 2 }),
      protocols: some(3, 1),
      gateways: some(gateways),
    }),
    { minLength: resources, maxLength: resources },
  ),
  policies: fc.array(
    fc.record({
      action: fc.constantFrom(true, true, false),
      devices: some(devices),
      allDevices: fc.constantFrom(false, false, false, true),
      resources: some(resources),
      allResources: fc.constantFrom(false, false, true),
      byDay: fc.boolean(),
    }),
    { minLength: 3, maxLength: 7 },
  ),
  hour: fc.constantFrom(12, 22),
});
type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

async function build(app: TestApp, { resources, policies, hour }: Plan) {
  const make = makers(app);
  app.clock.now = Date.UTC(2026, 0, 15, hour);
  const ids = async (count: number, one: (n: number) => Promise<{ id: string }>) => {
    const made: string[] = [];
    for (let n = 0; n < count; n++) made.push((await one(n)).id);
    return made;
  };
  const pick = (all: readonly string[], places: readonly number[]) => places.flatMap((place) => all[place] ?? []);
  const g = await ids(gateways, (n) => make.gateway(`g${n}`));
  const d = await ids(devices, (n) => make.device(`d${n}`));
  const predefined: { id: string; name: string }[] = (await app.request('GET', '/tenants/protocols')).json;
  const p = ['HTTP', 'HTTPS', 'ICMP'].map((name) => predefined.find((one) => one.name === name)?.id ?? '');
  const r = await ids(resources.length, async (n) => {
    const { prefixes, protocols, gateways } = resources[n] as Plan['resources'][number];
    const made = await make.resource(
      `r${n}`,
      prefixes.map((address) => ({ address, protocols: pick(p, protocols) })),
    );
    if (gateways.length > 0) await make.attach(made.id, pick(g, gateways));
    return made;
  });
  const rule = await make.rule('by day', "time.between('08:00', '18:00')", { hasTimeConstraint: true });
  for (const { action, devices, allDevices, resources, allResources, byDay } of policies) {
    const body = { action, devices: pick(d, devices), allDevices, resources: pick(r, resources), allResources };
    await make.policy('p', action && byDay ? { ...body, rule: rule.id } : body);
  }
  return { gateways: g, devices: d, resources: r };
}

/** The agents have in force what is desired. */
async function deployAll(app: TestApp, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const state = await app.parts.states.current(id);
    assert.ok(state !== null);
    app.channel.presences.set(id, { ...present, applied: { revision: state.revision, hash: state.hash, tookMs: 1 } });
  }
}

/** Resources behind a gateway that a packet is for. */
function covering(world: World, { destination, protocol, port }: AccessQuery, gateway: string): string[] {
  const address = parseAddress(destination);
  assert.ok(address);
  const resources = world.resources.values().filter(
    ({ gateways, addresses }) =>
      gateways.includes(gateway) &&
      addresses.some(({ prefix, ports }) => {
        const range = parsePrefix(prefix);
        if (range === null || !rangeContains(range, address.family, address.value)) return false;
        return ports.some(
          (one) => one.protocol === protocol && (protocol === 'icmp' || (one.from <= port && port <= one.to)),
        );
      }),
  );
  return resources.map(({ id }) => id).toArray();
}

test('in random worlds explain says what evaluate decides, gateways have it in force, and the matrix is the sum of it', async (t) => {
  let allowedPackets = 0;
  await fc.assert(
    fc.asyncProperty(plan, async (given) => {
      const app = await openTestApp(t);
      const made = await build(app, given);
      await deployAll(app, made.gateways);
      const world = await app.app.runtimes.world(app.tenant.id);
      const reached = new Set<string>();
      for (const device of made.devices)
        for (const destination of destinations)
          for (const packet of packets) {
            const { json } = await app.request('POST', '/tenants/access/explain', {
              body: { device, destination, ...packet },
            });
            const [answer]: Explanation[] = json.answers;
            assert.ok(answer !== undefined);
            const query = {
              device,
              destination,
              protocol: packet.protocol === 'TCP' ? 'tcp' : 'icmp',
              port: 'port' in packet ? packet.port : 0,
              at: app.clock.now,
            } as const;
            const decided = evaluate(world, query);
            assert.deepEqual([answer.allowed, answer.policy], [decided.allowed, decided.policy ?? undefined]);
            assert.equal(
              answer.policies.filter(({ outcome }) => outcome === (decided.allowed ? 'allowed' : 'denied')).length,
              decided.policy === null ? 0 : 1,
            );
            assert.ok(
              answer.gateways.every(({ applied }) => applied === 'agrees'),
              JSON.stringify(answer),
            );
            assert.equal(answer.gateways.filter(({ chosen }) => chosen).length, decided.allowed ? 1 : 0);
            if (decided.allowed) allowedPackets++;
            for (const gateway of made.gateways)
              if (evaluate(world, { ...query, gateway }).allowed)
                for (const resource of covering(world, query, gateway)) reached.add(`${device} ${resource}`);
          }
      const matrix: MatrixEntry[] = (await app.request('GET', '/tenants/access/matrix')).json;
      assert.deepEqual(new Set(matrix.map(({ device, resource }) => `${device.id} ${resource.id}`)), reached);
      assert.equal(matrix.length, reached.size);
    }),
    { numRuns: 12 },
  );
  assert.ok(allowedPackets > 20, 'worlds in which nothing is allowed prove little');
});
