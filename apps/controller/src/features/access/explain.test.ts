import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Explanation, operations, type RequestBody } from '@sallyport/contract';
import { createGatewayQueries } from '../../objects/gateways/queries.ts';
import { createSecretBox } from '../../secrets/box.ts';
import { makers } from '../../testing/api.ts';
import { present } from '../../testing/channel.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { explainAccess } from './explain.ts';

const path = '/tenants/access/explain';
const missing = '11111111-2222-4333-8444-555555555555';

async function ask(app: TestApp, body: RequestBody<'explainAccess'>, key = app.tenant.key): Promise<Explanation[]> {
  const answer = await app.request('POST', path, { body, key });
  assert.equal(answer.status, 200, answer.text);
  return answer.json.answers;
}

async function askOne(app: TestApp, body: RequestBody<'explainAccess'>): Promise<Explanation> {
  const [answer, ...more] = await ask(app, body);
  assert.ok(answer !== undefined && more.length === 0);
  return answer;
}

/** A device, and a resource 10.0.0.0/24 TCP 443 behind two gateways. */
async function network(app: TestApp) {
  const make = makers(app);
  const [first, second] = [await make.gateway('first'), await make.gateway('second')];
  const https = await make.protocol('443');
  const web = await make.resource('web', [{ address: '10.0.0.0/24', protocols: [https.id] }]);
  await make.attach(web.id, [first.id, second.id]);
  const device = await make.device('laptop');
  const packet = { destination: '10.0.0.7', protocol: 'TCP', port: 443 } as const;
  return { make, first, second, web, device, packet };
}

/** The agent of a gateway is there and has in force what is desired; or something else. */
async function deploy(app: TestApp, gateway: string, hash?: string): Promise<void> {
  await app.parts.directory.deployed(gateway, app.clock.now);
  const state = await app.parts.states.current(gateway);
  assert.ok(state !== null);
  const applied = { revision: state.revision, hash: hash ?? state.hash, tookMs: 1 };
  app.channel.presences.set(gateway, { ...present, applied });
}

test('an allowed packet: policy, resources, gateways, and what is in force', async (t) => {
  const app = await openTestApp(t);
  const { make, first, second, web, device, packet } = await network(app);
  const deny = await make.policy('not on Sundays', { action: false, devices: [device.id], resources: [] });
  const allow = await make.policy('web for laptops', { devices: [device.id], resources: [web.id] });
  await deploy(app, first.id);
  await deploy(app, second.id);
  const answer = await askOne(app, { device: device.id, ...packet });
  assert.deepEqual(answer, {
    device: { id: device.id, name: 'laptop' },
    allowed: true,
    reason: 'a policy allows it',
    at: new Date(app.clock.now).toISOString(),
    policy: allow.id,
    resources: [{ id: web.id, name: 'web' }],
    policies: answer.policies,
    gateways: answer.gateways,
  });
  assert.deepEqual(
    answer.policies.map(({ id, name, type, outcome }) => [id, name, type, outcome]),
    [
      [deny.id, 'not on Sundays', 'PRIVATE', 'no-match'],
      [allow.id, 'web for laptops', 'PRIVATE', 'allowed'],
    ],
  );
  assert.ok(answer.policies.every(({ reason, order }) => reason.length > 5 && order > 0));
  assert.deepEqual(
    answer.gateways.map(({ id, name, status, chosen, applied }) => [id, name, status, chosen, applied]),
    [
      [first.id, 'first', 'ONLINE', true, 'agrees'],
      [second.id, 'second', 'ONLINE', false, 'agrees'],
    ],
  );
  assert.ok(answer.gateways.every(({ reason }) => reason.length > 5));
});

test('the first gateway that is online is chosen; none online, the first', async (t) => {
  const app = await openTestApp(t);
  const { make, first, second, web, device, packet } = await network(app);
  await make.policy('all', { devices: [device.id], resources: [web.id] });
  const chosen = async () =>
    (await askOne(app, { device: device.id, ...packet })).gateways.map((one) => [
      one.id,
      one.chosen,
      one.status,
      one.applied,
    ]);
  assert.deepEqual(await chosen(), [
    [first.id, true, 'PENDING', 'unknown'],
    [second.id, false, 'PENDING', 'unknown'],
  ]);
  await deploy(app, second.id);
  assert.deepEqual(await chosen(), [
    [first.id, false, 'PENDING', 'unknown'],
    [second.id, true, 'ONLINE', 'agrees'],
  ]);
  await deploy(app, first.id);
  const body = { name: 'first', wireguardPort: '51820', intent: 'MAINTENANCE' };
  await app.request('PATCH', `/tenants/gateways/${first.id}`, { body });
  await deploy(app, first.id);
  const [one, two] = await chosen();
  assert.deepEqual(
    [one?.slice(0, 2), two?.slice(0, 3)],
    [
      [second.id, true],
      [first.id, false, 'MAINTENANCE'],
    ],
  );
});

test('the state in force on a gateway is unknown while its agent is away or behind', async (t) => {
  const app = await openTestApp(t);
  const { make, first, web, device, packet } = await network(app);
  const applied = async () =>
    (await askOne(app, { device: device.id, ...packet })).gateways.find(({ id }) => id === first.id)?.applied;
  await deploy(app, first.id);
  assert.equal(await applied(), 'agrees', 'a denial that is in force is an agreement too');
  const policy = await make.policy('all', { devices: [device.id], resources: [web.id] });
  assert.equal(await applied(), 'unknown');
  await deploy(app, first.id);
  assert.equal(await applied(), 'agrees');
  app.channel.presences.set(first.id, { ...app.channel.presence(first.id), connected: false });
  assert.equal(await applied(), 'unknown');
  await app.request('DELETE', `/tenants/policies/${policy.id}`);
  await deploy(app, first.id);
  assert.equal(await applied(), 'agrees');
});

test('a gateway whose state contradicts the decision is reported as different', async (t) => {
  const app = await openTestApp(t);
  const { make, first, second, web, device, packet } = await network(app);
  await make.policy('all', { devices: [device.id], resources: [web.id] });
  await deploy(app, first.id);
  await deploy(app, second.id);
  const { store, channel } = app;
  const { runtimes } = app.app;
  let asked = 0;
  const states = {
    current: async (gateway: string) => {
      const state = await runtimes.current(gateway);
      if (gateway !== second.id || state === null) return state;
      asked++;
      return { ...state, items: () => state.items().filter(({ kind }) => kind !== 'bundle') };
    },
  };
  const gateways = createGatewayQueries(store, createSecretBox(Buffer.alloc(32, 7)), channel, runtimes);
  const deps = { store, channel, worlds: runtimes, states, gateways };
  const [answer] = await explainAccess(deps, app.tenant.id, { device: device.id, ...packet });
  assert.deepEqual(
    answer?.gateways.map(({ applied }) => applied),
    ['agrees', 'differs'],
  );
  assert.equal(asked, 2, 'looked at twice, so that a commit in between is not taken for a difference');
});

test('denials say what denies: a policy, no policy, no resource, or the device itself', async (t) => {
  const app = await openTestApp(t);
  const { make, web, device, packet } = await network(app);
  const about = { device: device.id, ...packet };
  const nobody = await askOne(app, about);
  assert.deepEqual([nobody.allowed, nobody.policy, nobody.resources], [false, undefined, []]);
  assert.match(nobody.reason, /no policy/);
  const elsewhere = await askOne(app, { ...about, destination: '10.99.0.1' });
  assert.match(elsewhere.reason, /no resource/);
  const deny = await make.policy('closed', { action: false, devices: [device.id], resources: [web.id] });
  await make.policy('open', { devices: [device.id], resources: [web.id] });
  const denied = await askOne(app, about);
  assert.deepEqual([denied.allowed, denied.policy, denied.policies.length], [false, deny.id, 1]);
  const overlay = await askOne(app, { ...about, destination: '100.64.0.9' });
  assert.match(overlay.reason, /where no resource can be/);
  const { method } = operations.deactivateDevice;
  assert.equal(
    (await app.request(method, `/tenants/devices/${device.id}/deactivate`)).status,
    operations.deactivateDevice.status,
  );
  assert.deepEqual(
    [(await askOne(app, about)).reason, (await askOne(app, about)).policies],
    ['the device is deactivated', []],
  );
});

test('a rule that is not met is skipped, with its conditions and their values', async (t) => {
  const app = await openTestApp(t);
  const { make, web, packet } = await network(app);
  const user = await make.user('jane@example.com');
  await app.request('PATCH', `/tenants/users/${user.id}`, { body: { department: 'Sales' } });
  const device = await make.device('phone', { user: user.id });
  const rule = await make.rule(
    'Engineers by day',
    "user.department == 'Engineering' && time.between('08:00', '18:00')",
    { hasTimeConstraint: true },
  );
  const policy = await make.policy('web', { allUsers: true, resources: [web.id], rule: rule.id });
  const refused = await askOne(app, { device: device.id, ...packet });
  const [step] = refused.policies;
  assert.deepEqual([refused.allowed, step?.id, step?.outcome], [false, policy.id, 'skipped']);
  const unmet = step?.conditions?.find(({ met }) => !met);
  assert.match(unmet?.expression ?? '', /department/);
  assert.ok(unmet?.reason);
  assert.ok(
    Object.keys(unmet?.values ?? {}).some((name) => name.includes('department')),
    JSON.stringify(unmet),
  );
});

test('time: what is asked for another moment is answered for that moment', async (t) => {
  const app = await openTestApp(t);
  const { make, web, device, packet } = await network(app);
  const rule = await make.rule('by day', "time.between('08:00', '18:00')", { hasTimeConstraint: true });
  await make.policy('web', { devices: [device.id], resources: [web.id], rule: rule.id });
  const noon = await askOne(app, { device: device.id, ...packet });
  assert.deepEqual([noon.allowed, noon.validUntil], [true, '2026-01-15T18:00:00.000Z']);
  const night = await askOne(app, { device: device.id, ...packet, at: '2026-01-15T22:30:00Z' });
  assert.deepEqual(
    [night.allowed, night.at, night.validUntil],
    [false, '2026-01-15T22:30:00.000Z', '2026-01-16T08:00:00.000Z'],
  );
});

test('an explanation for a user covers each device, or the user alone without devices', async (t) => {
  const app = await openTestApp(t);
  const { make, web, packet } = await network(app);
  const [jane, john] = [await make.user('jane@example.com'), await make.user('john@example.com')];
  const phone = await make.device('phone', { user: jane.id });
  const laptop = await make.device('her laptop', { user: jane.id });
  await make.policy('phones', { devices: [phone.id], resources: [web.id] });
  const answers = await ask(app, { user: jane.id, ...packet });
  const byDevice = new Map(answers.map(({ device, allowed }) => [device?.id, allowed]));
  assert.deepEqual(
    byDevice,
    new Map([
      [phone.id, true],
      [laptop.id, false],
    ]),
  );

  await make.policy('people', { allUsers: true, resources: [web.id] });
  const alone = await askOne(app, { user: john.id, ...packet });
  assert.equal(alone.device, undefined);
  assert.deepEqual([alone.allowed, alone.reason], [false, 'the owner of the device is not active']);
  const first = await make.device('his first', { user: john.id });
  await app.request('DELETE', `/tenants/devices/${first.id}`);
  const active = await askOne(app, { user: john.id, ...packet });
  assert.deepEqual([active.device, active.allowed, active.resources[0]?.id], [undefined, true, web.id]);
  assert.ok(active.gateways.length === 2 && active.gateways.every(({ applied }) => applied === 'unknown'));
});

test('a question about unknown objects or without sense is refused', async (t) => {
  const app = await openTestApp(t);
  const { device, packet } = await network(app);
  const refused = async (body: object, code: string, pointer: string, key = app.tenant.key) => {
    const { json } = await app.request('POST', path, { body, key });
    assert.deepEqual([json.code, json.errors[0].pointer], [code, pointer], JSON.stringify(json));
  };
  await refused({ device: missing, ...packet }, 'invalid_reference', '/device');
  await refused({ user: missing, ...packet }, 'invalid_reference', '/user');
  await refused({ device: device.id, ...packet }, 'invalid_reference', '/device', app.other.key);
  await refused({ ...packet }, 'invalid_request', '/device');
  await refused({ device: device.id, user: missing, ...packet }, 'invalid_request', '/device');
  await refused({ device: device.id, destination: 'x', protocol: 'ICMP' }, 'invalid_request', '/destination');
  await refused({ device: device.id, destination: '10.0.0.1', protocol: 'TCP' }, 'invalid_request', '/port');
  await refused({ device: device.id, ...packet, protocol: 'ICMP' }, 'invalid_request', '/port');
});

test('explained decisions are counted, and only roles with the right to diagnose may ask', async (t) => {
  const app = await openTestApp(t);
  const { device, packet } = await network(app);
  await askOne(app, { device: device.id, ...packet });
  assert.match(await app.metrics(), /^sallyport_decisions_explained_total 1$/m);
  const key = await app.key('AUDITOR');
  assert.equal(
    (await app.request('POST', path, { body: { device: device.id, ...packet }, key })).json.code,
    'forbidden',
  );
  assert.equal((await ask(app, { device: device.id, ...packet }, await app.key('SUPPORT'))).length, 1);
});

test('a denied connection has the smallest changes that would allow it, with names', async (t) => {
  const app = await openTestApp(t);
  const { make, web, device, packet } = await network(app);
  const [staff, anna] = [await make.group('Staff'), await make.user('anna@example.com')];
  await app.request('PATCH', `/tenants/devices/${device.id}`, { body: { name: 'laptop', user: anna.id } });
  const policy = await make.policy('Staff reach web', { groups: [staff.id], resources: [web.id] });
  const answer = await askOne(app, { device: device.id, ...packet });
  const named = { policy: { id: policy.id, name: 'Staff reach web' }, resource: { id: web.id, name: 'web' } };
  assert.deepEqual(answer.suggestions?.[0], {
    kind: 'join-group',
    text: 'Add anna@example.com to the group Staff, which the policy Staff reach web names',
    sufficient: true,
    group: { id: staff.id, name: 'Staff' },
    ...named,
  });
  assert.deepEqual(
    answer.suggestions?.map(({ kind }) => kind),
    ['join-group', 'extend-policy', 'create-policy'],
  );
  await app.request('POST', `/tenants/users/${anna.id}/groups`, { body: { groupId: staff.id } });
  const allowed = await askOne(app, { device: device.id, ...packet });
  assert.deepEqual([allowed.allowed, allowed.suggestions], [true, undefined], 'the first change was enough');
});

test('a name of a private resource is a destination, and any other name is refused', async (t) => {
  const app = await openTestApp(t);
  const { make, first, device } = await network(app);
  const https = await make.protocol('8443');
  const wiki = await make.resource('wiki', [{ address: 'wiki.corp.example', protocols: [https.id] }]);
  await make.attach(wiki.id, [first.id]);
  const allow = await make.policy('wiki', { devices: [device.id], resources: [wiki.id] });
  const packet = { device: device.id, protocol: 'TCP', destination: 'wiki.corp.example' } as const;
  const answer = await askOne(app, { ...packet, port: 8443 });
  assert.deepEqual(
    [answer.allowed, answer.policy, answer.resources],
    [true, allow.id, [{ id: wiki.id, name: 'wiki' }]],
  );
  assert.equal((await askOne(app, { ...packet, port: 8444 })).allowed, false);
  const refused = async (destination: string, code: string) => {
    const { status, json } = await app.request('POST', path, { body: { ...packet, port: 8443, destination } });
    assert.deepEqual([status, json.code, json.errors[0].pointer], [400, code, '/destination']);
  };
  await refused('other.corp.example', 'invalid_request');
  for (const text of ['10.0.0.0/8', 'a..b', '*.corp.example', 'Wiki.corp.example', `${'a.'.repeat(130)}a`])
    await refused(text, 'invalid_request');
});

test('a name that only wildcards cover is decided as if a device had asked for it', async (t) => {
  const app = await openTestApp(t);
  const { make, first, device } = await network(app);
  const https = await make.protocol('8443');
  const named = (name: string, address: string) => make.resource(name, [{ address, protocols: [https.id] }]);
  const [narrow, wide] = [await named('narrow', '*.b\u00fccher.example'), await named('wide', '**.example')];
  for (const { id } of [narrow, wide]) await make.attach(id, [first.id]);
  const deny = { action: false, devices: [device.id], resources: [narrow.id] };
  const no = await make.policy('narrow', deny);
  const allow = await make.policy('wide', { devices: [device.id], resources: [wide.id] });
  const packet = { device: device.id, protocol: 'TCP', destination: 'shop.xn--bcher-kva.example', port: 8443 } as const;
  const denied = await askOne(app, packet);
  assert.deepEqual([denied.allowed, denied.policy], [false, no.id], 'the name is one of both resources');
  assert.deepEqual(denied.name, {
    ...{ name: 'shop.xn--bcher-kva.example', unicode: 'shop.bücher.example', virtualAddresses: [] },
    wildcards: ['*.xn--bcher-kva.example', '**.example'],
  });
  const other = await askOne(app, { ...packet, destination: 'a.example' });
  assert.deepEqual([other.allowed, other.policy, other.resources[0]?.name], [true, allow.id, 'wide']);
  assert.equal((await askOne(app, { ...packet, destination: 'a.example', port: 1 })).allowed, false);
});

test('an explanation says the name and its virtual addresses, and what the gateway resolved', async (t) => {
  const app = await openTestApp(t);
  const { make, first, device } = await network(app);
  const https = await make.protocol('8443');
  const wiki = await make.resource('wiki', [{ address: 'wiki.corp.example', protocols: [https.id] }]);
  await make.attach(wiki.id, [first.id]);
  const by = (destination: string) => askOne(app, { device: device.id, protocol: 'TCP', destination, port: 8443 });
  const { name } = await by('wiki.corp.example');
  const [v4 = '', v6 = ''] = name?.virtualAddresses ?? [];
  assert.deepEqual([v4, /:ffff::1$/.test(v6), name?.wildcards], ['100.96.0.1', true, []]);
  for (const address of [v4, v6]) assert.deepEqual((await by(address)).name, name);
  assert.equal((await by('10.0.0.5')).name, undefined);
});
