import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEnrolmentToken } from '@sallyport/contract/channel';
import { loadBeaconKeys } from '../../beacon/keys.ts';
import { createSecretBox } from '../../secrets/box.ts';
import { assertRefused, makers, publicKeyOf, revisionOf } from '../../testing/api.ts';
import { makeKey, nativeDevice } from '../../testing/enrol.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const path = '/tenants/gateways';
/** Public keys of the controller's own. */
async function loadedBeacon({ store }: TestApp): Promise<{ keys: string[] }> {
  const { ports, probe } = await loadBeaconKeys(store, createSecretBox(Buffer.alloc(32, 7)));
  return { keys: [...ports, probe].map(({ publicKey }) => publicKey) };
}
const secretOf = (token: string): string => parseEnrolmentToken(token, 'gateway')?.secret ?? assert.fail(token);

test('a gateway never gets the WireGuard key of a device, nor a device that of a gateway', async (t) => {
  const app = await openTestApp(t);
  const { device, gateway } = makers(app);
  await device('laptop');
  const made = await gateway('Berlin');
  const { directory } = app.parts;
  const secret = secretOf(made.token);
  const enrol = (wireguardPublicKey: string) =>
    directory.agents.gateway.enrol(made.id, secret, { identityKey: 'identity', wireguardPublicKey, hostname: 'h' });
  assert.equal(await enrol(publicKeyOf('laptop')), 'key-taken');
  assert.equal(await enrol(publicKeyOf('Berlin')), 'enrolled');
  assert.equal(await enrol(publicKeyOf('Berlin')), 'enrolled', 'it has not heard of it');
  const before = await revisionOf(app);
  assert.equal(await directory.agents.gateway.wireguardKeyChanged(made.id, publicKeyOf('laptop')), 'key-taken');
  assert.equal(await revisionOf(app), before);
  assert.equal(await directory.agents.gateway.wireguardKeyChanged(made.id, publicKeyOf('moved')), 'changed');
  assert.equal((await app.request('GET', `${path}/${made.id}`)).json.publicKey, publicKeyOf('moved'));
  const body = { name: 'x', publicKey: publicKeyOf('moved') };
  await assertRefused(app, ['POST', '/tenants/devices', { body }], 409, 'public_key_taken', ['/publicKey']);
});

test('the WireGuard key of an agent of any tenant, or of the controller, cannot be taken', async (t) => {
  const app = await openTestApp(t);
  const { gateway: books, device: devices } = app.parts.directory.agents;
  const enrol = async (name: string, wireguardPublicKey: string, key: string) => {
    const { json } = await app.request('POST', path, { body: { name, wireguardPort: '51820' }, key });
    const keys = { identityKey: publicKeyOf(`identity of ${name}`), wireguardPublicKey, hostname: 'h' };
    return [await books.enrol(json.id, secretOf(json.token), keys), json.id] as const;
  };
  const [outcome, first] = await enrol('first', publicKeyOf('first'), app.tenant.key);
  assert.equal(outcome, 'enrolled');
  const native = await nativeDevice(app, 'laptop');
  const { keys } = await loadedBeacon(app);
  for (const key of [app.tenant.key, app.other.key])
    for (const taken of [publicKeyOf('first'), publicKeyOf('laptop'), ...keys])
      assert.equal((await enrol('late', taken, key))[0], 'key-taken');
  for (const taken of [publicKeyOf('first'), ...keys])
    assert.equal(await devices.wireguardKeyChanged(native.id, taken), 'key-taken');
  for (const taken of [publicKeyOf('laptop'), ...keys])
    assert.equal(await books.wireguardKeyChanged(first, taken), 'key-taken');
  assert.equal(await books.wireguardKeyChanged(first, publicKeyOf('first')), 'changed');
  const reserved = await makeKey(app);
  const own = { identityKey: publicKeyOf('i'), wireguardPublicKey: keys[0] ?? '', hostname: 'h' };
  assert.equal(await devices.enrol(reserved.id, reserved.secret, own), 'key-taken');
});

test('deleting a gateway cuts it out of resources and policies, each with a version and what it was', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const [gone, stays] = [await make.gateway('gone'), await make.gateway('stays')];
  const { id: protocol } = await make.protocol('80');
  const web = await make.resource('web', [{ address: '10.0.0.1', protocols: [protocol] }]);
  await make.attach(web.id, [gone.id, stays.id]);
  const mode = 'INTERNET_ACCESS_POINT';
  const policy = await make.policy('out', { type: 'INTERNET', mode, gateways: [gone.id, stays.id] });
  const url = `${path}/${gone.id}`;
  const plan = await app.request('DELETE', `${url}?dry-run=true`);
  assert.deepEqual(
    plan.json.changes.map(({ action, kind, id }: Record<string, string>) => [action, kind, id]),
    [
      ['delete', 'gateway', gone.id],
      ['detach', 'resource', web.id],
      ['update', 'policy', policy.id],
    ],
  );
  app.clock.now += 1000;
  assert.equal((await app.request('DELETE', url)).status, 204);
  for (const object of [`/tenants/resources/${web.id}`, `/tenants/policies/${policy.id}`]) {
    const { json, headers } = await app.request('GET', object);
    assert.deepEqual(
      json.gateways.map(({ name }: { name: string }) => name),
      ['stays'],
    );
    assert.equal(json.updatedAt, new Date(app.clock.now).toISOString());
    assert.notEqual(headers.etag, '"1"');
  }
  const events = await app.store.db
    .selectFrom('audit_events')
    .select(['kind', 'before', 'after'])
    .where('revision', '=', await revisionOf(app))
    .where('tenant_id', '=', app.tenant.id)
    .orderBy('seq')
    .execute();
  assert.deepEqual(
    events.map(({ kind, before, after }) => [
      kind,
      JSON.parse(before ?? '{}').gateways,
      JSON.parse(after ?? '{}').gateways,
    ]),
    [
      ['gateway', undefined, undefined],
      ['resource', [gone.id, stays.id], [stays.id]],
      ['policy', [gone.id, stays.id], [stays.id]],
    ],
  );
});
