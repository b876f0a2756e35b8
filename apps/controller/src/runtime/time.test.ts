import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import { makers } from '../testing/api.ts';
import { openTestApp, type TestApp } from '../testing/harness.ts';
import { ClockTimers } from './testing/clock-timers.ts';
import { Follower, freshRuntimes } from './testing/follower.ts';

const officeHours = "time.between('08:00', '18:00')";
const at = (text: string): number => Date.parse(text);

async function start(t: TestContext, overrides: Parameters<typeof openTestApp>[1] = {}) {
  const timers = new ClockTimers();
  const app = await openTestApp(t, { timers, ...overrides });
  timers.clock = app.clock;
  const make = makers(app);
  const { id: gateway } = await make.gateway('Berlin');
  const { id: protocol } = await make.protocol('80');
  const resource = await make.resource('web', [{ address: '10.1.2.3', protocols: [protocol] }]);
  await make.attach(resource.id, [gateway]);
  const device = await make.device('laptop');
  const allow = (rule: string) => make.policy('Allow', { devices: [device.id], resources: [resource.id], rule });
  const follow = async () => {
    const state = await app.parts.states.current(gateway);
    assert.ok(state !== null);
    const follower = new Follower(t, app.parts.states, gateway, state);
    // A follower asks once more, as the channel does.
    await app.parts.states.current(gateway);
    return follower;
  };
  return { app, timers, make, gateway, device, resource, allow, follow };
}

/** When the access of a device ends by itself; undefined: it has none. */
function openUntil(items: readonly StateItem[], device: string): number | null | undefined {
  const peer = items.find((item) => item.kind === 'device' && item.id === device);
  if (peer?.kind !== 'device' || peer.profile === null) return undefined;
  const profile = items.find((item) => item.kind === 'profile' && item.id === peer.profile);
  const cells = profile?.kind === 'profile' ? profile.cells : [];
  if (cells.length === 0) return undefined;
  const ends = [peer.expiresAt, ...cells.map(({ expiresAt }) => expiresAt)].filter((end) => end !== null);
  return ends.length === 0 ? null : Math.min(...ends);
}

async function assertAsFresh(app: TestApp, gateway: string, follower: Follower) {
  const fresh = await freshRuntimes(app).current(gateway);
  const sorted = (items: readonly StateItem[]) => items.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  assert.deepEqual(sorted(follower.items), sorted(fresh?.items() ?? []));
  assert.equal(follower.hash, fresh?.hash);
}

test('a window opens and closes on the second by the clock alone, in the zone of its rule', async (t) => {
  const { app, timers, make, gateway, device, allow, follow } = await start(t);
  app.clock.now = at('2026-01-15T22:00:00+01:00');
  await allow((await make.rule('Office hours', officeHours, { timeZone: 'Europe/Zurich' })).id);
  const follower = await follow();
  const numbers = new Set<number>();
  for (const [opens, closes] of [
    ['2026-01-16T08:00:00+01:00', '2026-01-16T18:00:00+01:00'],
    ['2026-01-17T08:00:00+01:00', '2026-01-17T18:00:00+01:00'],
  ] as const) {
    const steps: [moment: number, open: boolean][] = [
      [at(opens) - 1, false],
      [at(opens), true],
      [at(closes) - 1, true],
      [at(closes), false],
    ];
    for (const [moment, open] of steps) {
      timers.advanceTo(moment);
      assert.equal(openUntil(follower.items, device.id), open ? at(closes) : undefined, new Date(moment).toISOString());
      await assertAsFresh(app, gateway, follower);
    }
  }
  for (const change of follower.changes) if (change.kind === 'delta') numbers.add(change.revision.number);
  assert.equal(numbers.size, 1, 'time passes within a revision');
});

test('the tenant’s zone counts where the rule names none, and clocks that change', async (t) => {
  const { app, timers, make, device, allow, follow } = await start(t);
  const settings = { name: 'First', timeZone: 'Europe/Zurich' };
  assert.equal((await app.request('PATCH', '/tenants/settings', { body: settings })).status, 200);
  await allow((await make.rule('Office hours', officeHours)).id);
  app.clock.now = at('2026-03-28T20:00:00Z');
  const follower = await follow();
  for (const [moment, open] of [
    ['2026-03-29T05:59:59.999Z', false],
    ['2026-03-29T06:00:00Z', true],
    ['2026-03-29T15:59:59.999Z', true],
    ['2026-03-29T16:00:00Z', false],
  ] as const) {
    timers.advanceTo(at(moment));
    assert.equal(openUntil(follower.items, device.id) !== undefined, open, moment);
  }
  timers.advanceTo(at('2026-03-30T07:30:00Z'));
  assert.notEqual(openUntil(follower.items, device.id), undefined);
  const moved = { body: { name: 'First', timeZone: 'America/New_York' } };
  assert.equal((await app.request('PATCH', '/tenants/settings', moved)).status, 200);
  await app.parts.states.current((await app.request('GET', '/tenants/gateways')).json[0].id);
  assert.equal(openUntil(follower.items, device.id), undefined, 'it is half past three there');
});

test('a tenant without followers sets no timer, and a question gets the present state', async (t) => {
  const { app, timers, make, gateway, device, allow } = await start(t);
  app.clock.now = at('2026-01-15T07:00:00Z');
  await allow((await make.rule('Office hours', officeHours)).id);
  const open = async () => openUntil((await app.parts.states.current(gateway))?.items() ?? [], device.id);
  assert.equal(await open(), undefined);
  assert.equal(timers.pending, 0);
  app.clock.now = at('2026-01-15T08:00:00Z');
  assert.equal(await open(), at('2026-01-15T18:00:00Z'));
  app.clock.now = at('2026-01-15T18:00:00Z');
  assert.equal(await open(), undefined);
});

test('timers end with the app', async (t) => {
  const { app, timers, make, allow, follow } = await start(t);
  await allow((await make.rule('Office hours', officeHours)).id);
  await follow();
  assert.equal(timers.pending, 1);
  await app.app.stop();
  assert.equal(timers.pending, 0);
});

test('a device that moves is decided upon at once, by address and by country', async (t) => {
  const countries = { known: true, of: (ip: string) => (ip.startsWith('198.51.100.') ? 'CH' : 'DE') };
  const { app, make, gateway, device, resource, allow, follow } = await start(t, { countries });
  await make.policy('Elsewhere', {
    devices: [device.id],
    resources: [resource.id],
    action: true,
    rule: (await make.rule('At home', "source.inCountry('CH')")).id,
  });
  await allow((await make.rule('Office', "source.inCidr('203.0.113.0/24')")).id);
  const follower = await follow();
  const revision = (await app.parts.states.current(gateway))?.revision;
  const open = () => openUntil(follower.items, device.id) !== undefined;
  const move = (source: string) => app.parts.deviceMoved(app.tenant.id, device.id, source);
  assert.equal(open(), false, 'its source is unknown');
  for (const [source, expected] of [
    ['203.0.113.7', true],
    ['192.0.2.1', false],
    ['198.51.100.1', true],
    ['198.51.100.2', true],
    ['192.0.2.1', false],
  ] as const) {
    move(source);
    assert.equal(open(), expected, source);
  }
  assert.deepEqual((await app.parts.states.current(gateway))?.revision, revision);
  move('203.0.113.7');
  // The row is behind: what is read from it for another reason moves the device nowhere.
  const renamed = await app.request('PATCH', `/tenants/devices/${device.id}`, { body: { name: 'renamed' } });
  assert.equal(renamed.status, 200);
  await app.parts.states.current(gateway);
  assert.equal(open(), true);
  await app.parts.directory.deviceMoved(app.tenant.id, new Map([[device.id, '203.0.113.7']]));
  await assertAsFresh(app, gateway, follower);
});

test('posture, owner and groups of a device decide as soon as they are written', async (t) => {
  const { app, make, gateway, device, allow, follow } = await start(t);
  const rule = "posture.diskEncrypted == true && user.department == 'Engineering' && 'Staff' in groups";
  await allow((await make.rule('Compliant staff', rule)).id);
  const follower = await follow();
  const [anna, staff] = [await make.user('anna@example.com'), await make.group('Staff')];
  const request = async (method: 'PATCH' | 'PUT' | 'POST' | 'DELETE', url: string, body?: object) => {
    const answer = await app.request(method, url, body === undefined ? {} : { body });
    assert.ok(answer.status < 300, answer.text);
    await app.parts.states.current(gateway);
  };
  const open = () => openUntil(follower.items, device.id) !== undefined;
  const url = `/tenants/devices/${device.id}`;
  const department = (name: string | null) => request('PUT', `/tenants/users/${anna.id}`, { department: name });
  await request('PATCH', url, { name: 'laptop', user: anna.id, posture: { diskEncrypted: true } });
  await department('Engineering');
  assert.equal(open(), false);
  await request('POST', `/tenants/users/${anna.id}/groups`, { groupId: staff.id });
  assert.equal(open(), true);
  const rename = (name: string) => request('PUT', `/tenants/groups/${staff.id}`, { name, roles: [] });
  const change = (body: object) => request('PATCH', url, { name: 'laptop', ...body });
  const turns: [what: string, close: () => Promise<void>, reopen: () => Promise<void>][] = [
    ['posture', () => change({ posture: null }), () => change({ posture: { diskEncrypted: true } })],
    ['owner', () => change({ user: null }), () => change({ user: anna.id })],
    ['department', () => department(null), () => department('Engineering')],
    ['name of the group', () => rename('Others'), () => rename('Staff')],
    [
      'status',
      () => request('PATCH', `/tenants/users/${anna.id}/deactivate`),
      () => request('POST', `/tenants/users/${anna.id}/reactivate`),
    ],
    [
      'membership',
      () => request('DELETE', `/tenants/users/${anna.id}/groups/${staff.id}`),
      () => request('POST', `/tenants/users/${anna.id}/groups`, { groupId: staff.id }),
    ],
  ];
  for (const [what, close, reopen] of turns) {
    await close();
    assert.equal(open(), false, what);
    await reopen();
    assert.equal(open(), true, what);
  }
  await assertAsFresh(app, gateway, follower);
  await request('DELETE', `/tenants/groups/${staff.id}`);
  assert.equal(open(), false);
});
