import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../channel/testing/manual-time.ts';
import { makers, publicKeyOf } from '../testing/api.ts';
import { nativeDevice } from '../testing/enrol.ts';
import { openTestApp, type TestApp } from '../testing/harness.ts';
import { Follower, freshRuntimes } from './testing/follower.ts';

const stateOf = async (app: TestApp, id: string) => (await app.parts.states.current(id)) ?? assert.fail('no state');

/** Two gateways with a resource behind each, and native devices. */
async function start(app: TestApp, devices: number) {
  const make = makers(app);
  const protocol = await make.protocol('443');
  const sites = [];
  for (const [n, name] of ['old', 'new'].entries()) {
    const gateway = await make.gateway(name, { endpoint: `${name}.example.com` });
    const key = { wireguard_key: publicKeyOf(name) };
    await app.store.db.updateTable('gateways').set(key).where('id', '=', gateway.id).execute();
    const resource = await make.resource(name, [{ address: `10.1.2.${n}`, protocols: [protocol.id] }]);
    await make.attach(resource.id, [gateway.id]);
    sites.push({ gateway: gateway.id as string, resource: resource.id as string });
  }
  const [before = assert.fail(), after = assert.fail()] = sites;
  const ids: string[] = [];
  for (let n = 0; n < devices; n++) ids.push((await nativeDevice(app, `laptop ${n}`)).id);
  const policy = await make.policy('Allow', { allDevices: true, resources: [before.resource] });
  const move = async (to: string) => {
    const body = { name: 'Allow', action: true, allDevices: true, resources: [to], rule: policy.rule.id };
    const answer = await app.request('PATCH', `/tenants/policies/${policy.id}`, { body });
    assert.equal(answer.status, 200, answer.text);
  };
  return { before, after, ids, move };
}

test('gateways that must close something are told first, then gateways that open, then devices', async (t) => {
  const app = await openTestApp(t);
  const { before, after, ids, move } = await start(app, 3);
  const order: string[] = [];
  for (const id of [...ids, after.gateway, before.gateway]) {
    await stateOf(app, id);
    t.after(app.parts.states.subscribe(id, ({ kind }) => void order.push(`${kind} ${id}`)));
    await stateOf(app, id);
  }
  order.length = 0;
  await move(after.resource);
  await stateOf(app, before.gateway);
  assert.deepEqual(order.slice(0, 2), [`delta ${before.gateway}`, `delta ${after.gateway}`]);
  assert.deepEqual(order.slice(2).sort(), ids.map((id) => `delta ${id}`).sort());
});

test('devices are renewed in steps, and get the newest state when changes come meanwhile', async (t) => {
  const app = await openTestApp(t);
  const { before, after, ids, move } = await start(app, 230);
  const followers = new Map<string, Follower>();
  for (const id of ids) {
    const follower = new Follower(t, app.parts.states, id, await stateOf(app, id));
    await stateOf(app, id);
    followers.set(id, follower);
  }
  const told = () => [...followers.values()].filter(({ changes }) => changes.length > 0).length;
  let toldAtOnce = Number.NaN;
  t.after(
    app.parts.states.subscribe(before.gateway, () =>
      setImmediate(() => {
        if (Number.isNaN(toldAtOnce)) toldAtOnce = told();
      }),
    ),
  );
  await stateOf(app, before.gateway);
  await move(after.resource);
  await move(before.resource);
  await move(after.resource);
  const last = ids.at(-1) ?? assert.fail();
  const hash = (await stateOf(app, last)).hash;
  assert.equal(followers.get(last)?.hash, hash, 'a device that is asked for is renewed at once');
  const fresh = freshRuntimes(app);
  for (const [id, follower] of followers) {
    const newest = (await fresh.current(id))?.hash;
    await until(() => follower.hash === newest, 'the newest state');
  }
  assert.ok(toldAtOnce > 0 && toldAtOnce < ids.length, `${toldAtOnce} devices in the first step`);
});
