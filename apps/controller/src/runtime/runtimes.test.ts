import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StateHash } from '@sallyport/contract/channel';
import type { DesiredState } from '../channel/types.ts';
import { noCountries } from '../countries.ts';
import { ApiError } from '../errors.ts';
import { makers } from '../testing/api.ts';
import { openTestApp, type TestApp } from '../testing/harness.ts';
import { TenantRuntimes } from './runtimes.ts';
import { Follower, freshRuntimes } from './testing/follower.ts';
import { Whereabouts } from './whereabouts.ts';

const devices = ['yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=', 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg='];

async function post(app: TestApp, path: string, body: object) {
  const { status, json, text } = await app.request('POST', path, { body });
  assert.equal(status, 201, text);
  return json;
}

const gateway = (app: TestApp, name: string) => post(app, '/tenants/gateways', { name, wireguardPort: '51820' });

async function resource(app: TestApp, name: string, address: string, gateways: string[]) {
  const protocols = (await app.request('GET', '/tenants/protocols')).json;
  const addresses = [{ address, protocols: [protocols.find((p: { name: string }) => p.name === 'HTTP').id] }];
  const made = await post(app, '/tenants/resources', { name, type: 'PRIVATE', addresses });
  await attach(app, made.id, gateways);
  return made;
}

async function attach(app: TestApp, id: string, gateways: string[]) {
  const body = { loadBalancingMode: 'MANUAL', gateways };
  const answer = await app.request('PUT', `/tenants/resources/${id}/load-balancing`, { body });
  assert.equal(answer.status, 200, answer.text);
}

const allow = (app: TestApp, devicesAllowed: string[], resources: string[]) =>
  post(app, '/tenants/policies', { name: 'Allow', action: true, type: 'PRIVATE', devices: devicesAllowed, resources });

const device = (app: TestApp, n: number) => post(app, '/tenants/devices', { name: `d${n}`, publicKey: devices[n] });

async function stateOf(app: TestApp, id: string): Promise<DesiredState> {
  const state = await app.parts.states.current(id);
  assert.ok(state !== null);
  return state;
}

const kinds = (state: DesiredState) => Object.groupBy(state.items(), ({ kind }) => kind);

test('the state of a gateway is built from rows: itself, admitted devices and their destinations', async (t) => {
  const app = await openTestApp(t);
  const one = await gateway(app, 'one');
  const web = await resource(app, 'web', '10.1.2.3', [one.id]);
  const laptop = await device(app, 0);
  await allow(app, [laptop.id], [web.id]);
  const state = await stateOf(app, one.id);
  const { gateway: own, device: admitted, class: classes, bundle, probe } = kinds(state);
  const [item] = own ?? [];
  assert.ok(item?.kind === 'gateway');
  assert.deepEqual(
    [item.listenPort, item.mtu, item.masquerade, item.intent, item.overlay.v4],
    [51820, 1280, true, 'ACTIVE', '100.64.0.0/11'],
  );
  assert.match(item.addresses.join(), /^100\.64\.0\.\d+\/32,fd[0-9a-f:]+\/128$/);
  assert.deepEqual(
    admitted?.map((peer) => peer.kind === 'device' && [peer.publicKey, peer.addresses]),
    [[devices[0], laptop.overlayAddresses]],
  );
  assert.deepEqual(
    classes?.map((c) => c.kind === 'class' && c.ranges),
    [['10.1.2.3-10.1.2.3']],
  );
  assert.deepEqual(
    bundle?.map((b) => b.kind === 'bundle' && b.grants.map(({ protocol, from, to }) => [protocol, from, to])),
    [[['tcp', 80, 80]]],
  );
  assert.equal(probe?.length, 1);
  assert.equal(state.hash, StateHash.of(state.items()).toString());
});

test('deltas lead from state to state, in the order of revisions, to what a fresh start compiles', async (t) => {
  const app = await openTestApp(t);
  const [one, two] = [await gateway(app, 'one'), await gateway(app, 'two')];
  const followers = await Promise.all(
    [one, two].map(async ({ id }) => ({ id, follower: new Follower(t, app.parts.states, id, await stateOf(app, id)) })),
  );
  const web = await resource(app, 'web', '10.1.0.0/16', [one.id]);
  const files = await resource(app, 'files', '10.1.5.0/24', [one.id, two.id]);
  const [laptop, phone] = [await device(app, 0), await device(app, 1)];
  const policy = await allow(app, [laptop.id], [web.id]);
  await post(app, '/tenants/policies', {
    name: 'Deny',
    action: false,
    type: 'PRIVATE',
    allDevices: true,
    resources: [files.id],
  });
  await allow(app, [phone.id], [files.id, web.id]);
  // Several at once, so that commits are followed together.
  await Promise.all([
    attach(app, web.id, [two.id, one.id]),
    app.request('PATCH', `/tenants/devices/${phone.id}/deactivate`),
    app.request('PATCH', `/tenants/gateways/${two.id}`, { body: { name: 'two', wireguardPort: '51999' } }),
    app.request('DELETE', `/tenants/policies/${policy.id}`),
  ]);
  await app.request('POST', `/tenants/devices/${phone.id}/reactivate`);
  const fresh = freshRuntimes(app);
  for (const { id, follower } of followers) {
    assert.equal((await stateOf(app, id)).hash, follower.hash);
    assert.equal((await fresh.current(id))?.hash, follower.hash);
    const numbers = follower.changes.flatMap((change) => ('revision' in change ? [change.revision.number] : []));
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    );
    assert.ok(follower.changes.some(({ kind }) => kind === 'delta'));
  }
});

test('a change that does not concern a gateway is not delivered to it', async (t) => {
  const app = await openTestApp(t);
  const [one, two] = [await gateway(app, 'one'), await gateway(app, 'two')];
  const follower = new Follower(t, app.parts.states, one.id, await stateOf(app, one.id));
  await resource(app, 'web', '10.1.2.3', [two.id]);
  await app.request('PATCH', `/tenants/gateways/${one.id}`, { body: { name: 'renamed', wireguardPort: '51820' } });
  await stateOf(app, one.id);
  assert.deepEqual(follower.changes, []);
});

test('a re-key and a deletion are delivered', async (t) => {
  const app = await openTestApp(t);
  const one = await gateway(app, 'one');
  const follower = new Follower(t, app.parts.states, one.id, await stateOf(app, one.id));
  await app.request('POST', `/tenants/gateways/${one.id}/rekey`);
  await stateOf(app, one.id);
  assert.deepEqual(
    follower.changes.map(({ kind }) => kind),
    ['rekeyed'],
  );
  await app.request('DELETE', `/tenants/gateways/${one.id}`);
  assert.equal(await app.parts.states.current(one.id), null);
  assert.equal(follower.changes.at(-1)?.kind, 'deleted');
  assert.equal(await app.parts.states.current('00000000-0000-4000-8000-000000000000'), null);
});

test('one tenant’s changes never reach the gateways of another', async (t) => {
  const app = await openTestApp(t);
  const foreign = (
    await app.request('POST', '/tenants/gateways', { body: { name: 'x', wireguardPort: '1' }, key: app.other.key })
  ).json;
  const follower = new Follower(t, app.parts.states, foreign.id, await stateOf(app, foreign.id));
  const one = await gateway(app, 'one');
  const web = await resource(app, 'web', '10.1.2.3', [one.id]);
  await allow(app, [(await device(app, 0)).id], [web.id]);
  const state = await stateOf(app, foreign.id);
  assert.deepEqual(follower.changes, []);
  assert.deepEqual(
    state.items().map(({ kind }) => kind),
    ['gateway', 'beacon'],
  );
});

test('a dry run counts gained and lost access, and names samples', async (t) => {
  const app = await openTestApp(t);
  const one = await gateway(app, 'one');
  const web = await resource(app, 'web', '10.1.2.3', [one.id]);
  const laptop = await device(app, 0);
  const body = { name: 'Allow', action: true, type: 'PRIVATE', devices: [laptop.id], resources: [web.id] };
  const gained = (await app.request('POST', '/tenants/policies?dry-run=true', { body })).json;
  assert.deepEqual(
    [gained.gained, gained.lost, gained.samples],
    [1, 0, [{ change: 'gained', device: laptop.id, resource: web.id }]],
  );
  const pair = { device: { id: laptop.id, name: laptop.name }, resource: { id: web.id, name: 'web' } };
  assert.deepEqual([gained.unchanged, gained.pairs], [0, [{ change: 'gained', ...pair }]]);
  await post(app, '/tenants/policies', body);
  const before = (await stateOf(app, one.id)).hash;
  const lost = (await app.request('DELETE', `/tenants/gateways/${one.id}?dry-run=true`)).json;
  assert.deepEqual([lost.gained, lost.lost, lost.pairs], [0, 1, [{ change: 'lost', ...pair }]]);
  assert.deepEqual(
    lost.changes.map(({ action, kind, id }: Record<string, string>) => [action, kind, id]),
    [
      ['delete', 'gateway', one.id],
      ['detach', 'resource', web.id],
    ],
  );
  assert.equal((await stateOf(app, one.id)).hash, before);
});

test('a dry run of changes of users, groups and rules counts gained and lost access', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const one = await gateway(app, 'one');
  const web = await resource(app, 'web', '10.1.2.3', [one.id]);
  const [staff, anna] = [await make.group('Staff'), await make.user('anna@example.com')];
  const laptop = await make.device('laptop', { user: anna.id });
  const rule = await make.rule('Engineers', "user.department == 'Engineering'");
  await make.policy('p', { groups: [staff.id], resources: [web.id], rule: rule.id });
  const plan = async (method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object) => {
    const { status, json, text } = await app.request(
      method,
      `${path}?dry-run=true`,
      body === undefined ? {} : { body },
    );
    assert.equal(status, 200, text);
    return [json.gained, json.lost];
  };
  const [user, group, ruleUrl] = [
    `/tenants/users/${anna.id}`,
    `/tenants/groups/${staff.id}`,
    `/tenants/admission-rules/${rule.id}`,
  ];
  const open = { name: 'Engineers', rule: 'true', hasTimeConstraint: false };
  assert.deepEqual(await plan('POST', `${user}/groups`, { groupId: staff.id }), [0, 0], 'she is no engineer');
  assert.deepEqual(await plan('PUT', ruleUrl, open), [0, 0], 'nor staff');
  assert.equal((await app.request('PUT', user, { body: { department: 'Engineering' } })).status, 200);
  assert.deepEqual(await plan('POST', `${user}/groups`, { groupId: staff.id }), [1, 0]);
  assert.equal((await app.request('POST', `${user}/groups`, { body: { groupId: staff.id } })).status, 201);
  assert.deepEqual(await plan('PUT', user, { department: null }), [0, 1]);
  assert.deepEqual(await plan('PUT', ruleUrl, { ...open, rule: 'false' }), [0, 1]);
  assert.deepEqual(await plan('PATCH', `${user}/deactivate`), [0, 1]);
  assert.deepEqual(await plan('DELETE', user), [0, 1]);
  const { json } = await app.request('DELETE', `${user}?dry-run=true`);
  assert.deepEqual(json.pairs[0].user, { id: anna.id, email: 'anna@example.com' });
  assert.deepEqual(await plan('DELETE', group), [0, 1]);
  const renamed = await app.request('PATCH', `/tenants/devices/${laptop.id}?dry-run=true`, { body: { name: 'desk' } });
  assert.deepEqual([renamed.json.lost, renamed.json.unchanged], [0, 1], 'the device still reaches the resource');
  assert.deepEqual(await plan('PATCH', `/tenants/devices/${laptop.id}`, { name: 'laptop', user: null }), [0, 1]);
});

test('a tenant without followers is dropped, and comes back the same', async (t) => {
  const app = await openTestApp(t);
  const runtimes = freshRuntimes(app);
  const one = await gateway(app, 'one');
  const before = await runtimes.current(one.id);
  const unsubscribe = runtimes.subscribe(one.id, () => undefined);
  app.clock.now += 1000;
  runtimes.dropIdle(app.clock.now);
  assert.deepEqual([...runtimes.loaded()], [app.tenant.id]);
  unsubscribe();
  runtimes.dropIdle(app.clock.now);
  assert.deepEqual([...runtimes.loaded()], []);
  assert.equal((await runtimes.current(one.id))?.hash, before?.hash);
});

test('commits of a tenant without followers are not followed until somebody asks', async (t) => {
  const app = await openTestApp(t);
  let reads = 0;
  const read: typeof app.store.read = (work) => {
    reads++;
    return app.store.read(work);
  };
  const runtimes = freshRuntimes(app, { ...app.store, read });
  const one = await gateway(app, 'one');
  const state = (await runtimes.current(one.id)) ?? assert.fail();
  const change = async (mtu: number) => {
    const body = { name: 'one', wireguardPort: '51820', mtu };
    const { status, text } = await app.request('PATCH', `/tenants/gateways/${one.id}`, { body });
    assert.equal(status, 200, text);
  };
  reads = 0;
  await change(1300);
  await change(1320);
  assert.equal(reads, 0);
  const follower = new Follower(t, runtimes, one.id, state);
  const now = await runtimes.current(one.id);
  assert.notEqual(now?.hash, state.hash);
  assert.equal(follower.hash, now?.hash, 'a follower gets what it has missed');
  assert.equal(reads, 1);
  await change(1340);
  assert.equal((await runtimes.current(one.id))?.hash, follower.hash);
});

test('a runtime that could not follow a commit tries again by itself', async (t) => {
  const app = await openTestApp(t);
  let fails = 0;
  const warnings: string[] = [];
  const store = {
    ...app.store,
    read: <T>(work: (db: typeof app.store.db) => Promise<T>) =>
      fails-- > 0 ? Promise.reject(new ApiError('unavailable')) : app.store.read(work),
  };
  const due: (() => void)[] = [];
  const after = (_: number, run: () => void) => {
    due.push(run);
    return () => undefined;
  };
  const timers = { soon: setImmediate, after };
  const states = new TenantRuntimes({
    ...{ store, epoch: 'e', took: () => undefined, timers, whereabouts: new Whereabouts(noCountries) },
    log: { warn: (_, text) => warnings.push(text), error: assert.fail },
  });
  const one = await gateway(app, 'one');
  const before = await states.current(one.id);
  const changed = new Promise((resolve) => t.after(states.subscribe(one.id, resolve)));
  fails = 2;
  await app.request('PATCH', `/tenants/gateways/${one.id}`, { body: { name: 'one', wireguardPort: '51821' } });
  for (let tries = 1; tries <= 2; tries++) {
    while (warnings.length < tries) await new Promise(setImmediate);
    due.pop()?.();
  }
  await changed;
  assert.notEqual((await states.current(one.id))?.hash, before?.hash);
  assert.deepEqual(new Set(warnings), new Set(['could not follow a commit; will try again']));
  states.stop();
});
