import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type DeviceConfiguration, privateKeyPlaceholder } from '@sallyport/contract';
import { parseConfiguration } from '@sallyport/wireguard';
import { makers, publicKeyOf } from '../../testing/api.ts';
import { openTestApp } from '../../testing/harness.ts';

/** A plain device that may reach two names, each on gateways of its own. */
async function start(t: TestContext) {
  const app = await openTestApp(t, { egress: { allow: [], deny: [], details: true } });
  const make = makers(app);
  const web = await make.protocol('80');
  const device = await make.device('phone');
  const deploy = async (name: string, endpoint: string) => {
    const gateway = await make.gateway(name, { endpoint });
    const set = { wireguard_key: publicKeyOf(name) };
    await app.store.db.updateTable('gateways').set(set).where('id', '=', gateway.id).execute();
    const row = await app.store.db
      .selectFrom('gateways')
      .select('overlay_v4')
      .where('id', '=', gateway.id)
      .executeTakeFirstOrThrow();
    return { id: gateway.id, address: row.overlay_v4 };
  };
  const berlin = await deploy('Berlin', '192.0.2.1');
  const hamburg = await deploy('Hamburg', '192.0.2.2');
  const resource = (name: string) => make.resource(name, [{ address: `${name}.corp.example`, protocols: [web.id] }]);
  const wiki = await resource('wiki');
  const git = await resource('git');
  await make.policy('p', { devices: [device.id], resources: [wiki.id, git.id] });
  const configuration = async (query = '') => {
    const answer = await app.request('GET', `/tenants/devices/${device.id}/configuration${query}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json as DeviceConfiguration;
  };
  const dns = async (query = '') => parseConfiguration((await configuration(query)).text, privateKeyPlaceholder).dns;
  const set = async (otherNames: string) => {
    const answer = await app.request('PATCH', '/tenants/settings', { body: { name: 'First', otherNames } });
    assert.equal(answer.status, 200, answer.text);
  };
  return { app, make, berlin, hamburg, wiki, git, configuration, dns, set };
}

test('the resolvers are the gateways that know all names of the device', async (t) => {
  const { make, berlin, hamburg, wiki, git, configuration, dns } = await start(t);
  assert.equal(await dns(), undefined, 'nothing carries the names yet');
  await make.attach(wiki.id, [berlin.id]);
  const before = await configuration();
  assert.deepEqual(await dns(), [berlin.address]);
  assert.equal(before.notes, undefined);
  await make.attach(git.id, [hamburg.id]);
  const { notes = [], revision } = await configuration();
  assert.equal((await dns())?.length, 1);
  assert.match(notes.join('\n'), /^No resolver of this device answers for (git|wiki)\.corp\.example\./);
  assert.notEqual(revision, before.revision);
  await make.attach(wiki.id, [berlin.id, hamburg.id]);
  assert.deepEqual(await dns(), [hamburg.address], 'the one that knows both');
  assert.equal((await configuration()).notes, undefined);
  await make.attach(git.id, [hamburg.id, berlin.id]);
  assert.deepEqual((await dns())?.toSorted(), [berlin.address, hamburg.address].toSorted());
});

test('a tenant that refuses other names names no resolver, and a note says which address resolves', async (t) => {
  const { make, berlin, wiki, git, configuration, dns, set } = await start(t);
  for (const { id } of [wiki, git]) await make.attach(id, [berlin.id]);
  const forwarding = await configuration();
  await set('REFUSE');
  const { text, notes = [], revision } = await configuration();
  assert.equal(await dns(), undefined);
  assert.equal(notes.length, 1);
  assert.match(
    notes[0] ?? '',
    new RegExp(`^${berlin.address.replaceAll('.', '\\.')} resolves names of resources, and`),
  );
  assert.ok(text.startsWith(`# ${notes[0]}\n`));
  assert.notEqual(revision, forwarding.revision);
  await set('FORWARD');
  assert.deepEqual(await configuration(), forwarding);
});

test('a device may leave its resolvers alone, and one without names keeps them', async (t) => {
  const { app, make, berlin, wiki, git, configuration, dns } = await start(t);
  for (const { id } of [wiki, git]) await make.attach(id, [berlin.id]);
  assert.equal(await dns('?dns=false'), undefined);
  assert.deepEqual((await configuration('?dns=false')).notes, [
    `Left out: DNS. Names of resources are resolved by ${berlin.address}.`,
  ]);
  assert.deepEqual(await dns('?dns=true'), [berlin.address]);
  const wrong = await app.request('GET', `/tenants/devices/${crypto.randomUUID()}/configuration?dns=no`);
  assert.equal(wrong.status, 400);
  const web = await make.protocol('443');
  const plain = await make.resource('plain', [{ address: '10.0.0.0/24', protocols: [web.id] }]);
  await make.attach(plain.id, [berlin.id]);
  for (const { id } of [wiki, git]) assert.equal((await app.request('DELETE', `/tenants/resources/${id}`)).status, 204);
  assert.equal(await dns(), undefined);
});
