import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { AuditEvent } from '@sallyport/contract';
import type { UpgradePermission } from '@sallyport/contract/channel';
import { makeRelease } from '@sallyport/release/testing';
import type { AppDeps } from '../../../app.ts';
import { present } from '../../../testing/channel.ts';
import { openTestApp, type TestApp } from '../../../testing/harness.ts';
import { longestSilenceMs } from './next.ts';

const version = '1.2.3';

async function opened(t: TestContext, overrides: Partial<AppDeps> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-upgrades-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await makeRelease(folder, { version, processor: 'amd64', files: { 'bin/sally': 'x' } });
  const deps = { version, publicUrl: 'https://controller.example.com', packages: { folder, keyFile: null } };
  const app = await openTestApp(t, { ...deps, ...overrides });
  await app.app.maintain();
  return { app, deps };
}

/** Creates a gateway whose agent is connected. */
async function gateway(app: TestApp, name: string, upgrades?: UpgradePermission, agentVersion = '1.2.2') {
  const { json } = await app.request('POST', '/tenants/gateways', { body: { name, wireguardPort: '51820' } });
  connect(app, json.id, upgrades, agentVersion);
  return String(json.id);
}

function connect(app: TestApp, id: string, upgrades?: UpgradePermission, agentVersion = '1.2.2'): void {
  const host = { hostname: 'h', os: 'Linux', kernel: '6', wireguard: 'kernel' } as const;
  const agent = { version: agentVersion, ...host, ...(upgrades && { upgrades }) };
  app.channel.presences.set(id, { ...present, agent });
}

const ask = (app: TestApp, id: string, body: object = {}) =>
  app.request('POST', `/tenants/gateways/${id}/upgrade`, { body });

const upgradeOf = async (app: TestApp, id: string) =>
  (await app.request('GET', `/tenants/gateways/${id}`)).json.upgrade;
const stateOf = async (app: TestApp, id: string) => (await upgradeOf(app, id)).state;

/** The agent reports a state of the request that it was sent last. */
async function report(app: TestApp, id: string, state: 'downloading' | 'trial' | 'done' | 'returned', reason?: string) {
  const { request = '' } = app.channel.upgradesAsked.findLast((asked) => asked.gateway === id) ?? {};
  const agent = { role: 'gateway', id, tenant: app.tenant.id } as const;
  app.channel.upgrading(agent, { request, state, ...(reason !== undefined && { reason }) });
  await app.app.maintain();
}

test('gateways are upgraded one after the other, and everything shows the progress', async (t) => {
  const { app } = await opened(t);
  const a = await gateway(app, 'a', 'allowed');
  const b = await gateway(app, 'b', 'allowed');
  const { status, json } = await ask(app, a, { version });
  assert.equal(status, 201);
  assert.deepEqual([json.upgrade.state, json.upgrade.from, json.upgrade.version], ['QUEUED', '1.2.2', version]);
  assert.equal((await ask(app, b)).status, 201);
  await app.app.maintain();
  const sent = () => [...new Set(app.channel.upgradesAsked.map((asked) => `${asked.gateway} ${asked.version}`))];
  assert.deepEqual(sent(), [`${a} ${version}`]);
  await report(app, a, 'downloading');
  await report(app, a, 'trial');
  const list = (await app.request('GET', '/tenants/gateways')).json;
  const shown = list.map((one: { upgrades: string; upgrade: { state: string } }) => [one.upgrades, one.upgrade.state]);
  assert.deepEqual(shown, [
    ['ALLOWED', 'TRIAL'],
    ['ALLOWED', 'QUEUED'],
  ]);
  assert.match(await app.metrics(), /^sallyport_gateway_upgrades_open 2$/m);
  connect(app, a, 'allowed', version);
  await report(app, a, 'done');
  assert.deepEqual(sent(), [`${a} ${version}`, `${b} ${version}`]);
  await report(app, b, 'done');
  assert.deepEqual([await stateOf(app, a), await stateOf(app, b)], ['DONE', 'DONE']);
  assert.match(await app.metrics(), /^sallyport_gateway_upgrades_total\{state="done"\} 2$/m);
  const events: AuditEvent[] = (await app.request('GET', `/tenants/audit-events?limit=50&object=${a}`)).json.data;
  const ofUpgrade = events.filter(({ action }) => action === 'upgradeGateway' || action === 'upgrade');
  const actors = ofUpgrade.map(({ actor, after }) => [
    actor.kind,
    (after as { upgrade: { state: string } }).upgrade.state,
  ]);
  assert.deepEqual(actors.toReversed(), [
    ['api-key', 'QUEUED'],
    ['system', 'ASKED'],
    ['agent', 'DOWNLOADING'],
    ['agent', 'TRIAL'],
    ['agent', 'DONE'],
  ]);
});

test('the first gateway that returns stops the others, which go on when they are asked for again', async (t) => {
  const { app } = await opened(t);
  const [a, b] = [await gateway(app, 'a', 'allowed'), await gateway(app, 'b', 'allowed')];
  await ask(app, a);
  await ask(app, b);
  await app.app.maintain();
  await report(app, a, 'returned', 'gateway: every peer\u0007 is gone');
  assert.deepEqual(
    [(await upgradeOf(app, a)).reason, (await upgradeOf(app, b)).reason],
    ['gateway: every peer  is gone', 'Not begun, because the gateway a returned to its old version'],
  );
  assert.equal(await stateOf(app, b), 'STOPPED');
  assert.ok(!app.channel.upgradesAsked.some((asked) => asked.gateway === b));
  await ask(app, b);
  await app.app.maintain();
  await report(app, b, 'done');
  assert.deepEqual([await stateOf(app, a), await stateOf(app, b)], ['RETURNED', 'DONE']);
});

test('a gateway that cannot be upgraded is refused with the reason, and is sent nothing', async (t) => {
  const { app } = await opened(t);
  const refused = async (id: string, body: object, detail: RegExp) => {
    const { status, json } = await ask(app, id, body);
    assert.deepEqual([status, json.code], [409, 'upgrade_not_possible']);
    assert.match(json.detail, detail);
  };
  await refused(await gateway(app, 'a'), {}, /SALLYPORT_ALLOW_UPGRADES=true/);
  await refused(await gateway(app, 'b', 'impossible'), {}, /not installed by the script/);
  await refused(await gateway(app, 'c', 'allowed', version), {}, /has version 1\.2\.3 already/);
  await refused(await gateway(app, 'd', 'allowed'), { version: '1.2.4' }, /offers version 1\.2\.3 only/);
  const away = await gateway(app, 'e', 'allowed');
  app.channel.presences.delete(away);
  await refused(away, {}, /not connected/);
  await app.app.maintain();
  assert.deepEqual(app.channel.upgradesAsked, []);
  const { app: bare } = await opened(t, { packages: { folder: '/nonexistent', keyFile: null } });
  const { json } = await ask(bare, await gateway(bare, 'f', 'allowed'));
  assert.match(json.detail, /no signed archives/);
  const auditor = await app.key('SUPPORT');
  assert.equal(
    (await app.request('POST', `/tenants/gateways/${away}/upgrade`, { body: {}, key: auditor })).status,
    403,
  );
});

test('a controller that starts again asks with the same request, and hears the end', async (t) => {
  const { app, deps } = await opened(t);
  const a = await gateway(app, 'a', 'allowed');
  await ask(app, a);
  await app.app.maintain();
  await report(app, a, 'trial');
  const again = await openTestApp(t, { ...deps, store: app.store });
  const next = { ...again, tenant: app.tenant, request: app.request };
  connect(again, a, 'allowed', version);
  await again.app.maintain();
  assert.deepEqual(again.channel.upgradesAsked.at(-1), app.channel.upgradesAsked.at(-1));
  await report(next, a, 'done');
  assert.equal(await stateOf(app, a), 'DONE');
});

test('agents change only their own upgrade, once, and not back', async (t) => {
  const { app } = await opened(t);
  const [a, b] = [await gateway(app, 'a', 'allowed'), await gateway(app, 'b', 'allowed')];
  await ask(app, a);
  await app.app.maintain();
  const request = app.channel.upgradesAsked.at(-1)?.request ?? '';
  const revision = () => app.store.log.head(app.tenant.id);
  const tell = async (id: string, tenant: string, state: 'downloading' | 'trial' | 'done', what = request) => {
    app.channel.upgrading({ role: 'gateway', id, tenant }, { request: what, state });
    await app.app.maintain();
  };
  const before = revision();
  await tell(b, app.tenant.id, 'done');
  await tell(a, app.other.id, 'done');
  await tell(a, app.tenant.id, 'done', '00000000-0000-4000-8000-000000000000');
  assert.deepEqual([revision(), await stateOf(app, a)], [before, 'ASKED']);
  for (let i = 0; i < 20; i++)
    for (const state of ['trial', 'downloading'] as const) await tell(a, app.tenant.id, state);
  assert.deepEqual([revision(), await stateOf(app, a)], [before + 1, 'TRIAL']);
  await tell(a, app.tenant.id, 'done');
  await tell(a, app.tenant.id, 'trial');
  assert.deepEqual([revision(), await stateOf(app, a)], [before + 2, 'DONE']);
});

test('a gateway that is away holds up no other, and one that stays silent fails', async (t) => {
  const { app } = await opened(t);
  const ids: string[] = [];
  for (const name of ['a', 'b', 'c']) ids.push(await gateway(app, name, 'allowed'));
  for (const id of ids) await ask(app, id);
  const [a = '', b = '', c = ''] = ids;
  await app.app.maintain();
  app.channel.presences.delete(b);
  await report(app, a, 'done');
  const states = async () => Promise.all(ids.map((id) => stateOf(app, id)));
  assert.deepEqual(await states(), ['DONE', 'QUEUED', 'ASKED']);
  assert.equal(app.channel.upgradesAsked.at(-1)?.gateway, c);
  app.clock.now += longestSilenceMs;
  await app.app.maintain();
  assert.deepEqual(await states(), ['DONE', 'STOPPED', 'FAILED']);
});

test('a waiting upgrade can be cancelled, and one that has begun cannot', async (t) => {
  const { app } = await opened(t);
  const [a, b] = [await gateway(app, 'a', 'allowed'), await gateway(app, 'b', 'allowed')];
  await ask(app, a);
  await ask(app, b);
  await app.app.maintain();
  const cancel = (id: string) => app.request('DELETE', `/tenants/gateways/${id}/upgrade`);
  assert.equal((await cancel(b)).status, 204);
  assert.equal(await stateOf(app, b), 'CANCELLED');
  for (const id of [a, b]) assert.equal((await cancel(id)).json.code, 'upgrade_not_possible');
  assert.equal((await app.request('DELETE', `/tenants/gateways/${a}`)).status, 204);
  await ask(app, b);
  await app.app.maintain();
  assert.equal(await stateOf(app, b), 'ASKED');
});

test('a dry run and a repeated request change nothing', async (t) => {
  const { app } = await opened(t);
  const a = await gateway(app, 'a', 'allowed');
  const tried = await app.request('POST', `/tenants/gateways/${a}/upgrade?dry-run=true`, { body: {} });
  assert.equal(tried.status, 200);
  assert.deepEqual(tried.json.changes.length, 1);
  await app.app.maintain();
  assert.equal(await upgradeOf(app, a), undefined);
  await ask(app, a);
  await app.app.maintain();
  const { request } = app.channel.upgradesAsked.at(-1) ?? {};
  assert.equal((await ask(app, a)).json.upgrade.state, 'ASKED');
  await app.app.maintain();
  assert.equal(app.channel.upgradesAsked.at(-1)?.request, request);
});
