import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { makers, publicKeyOf } from '../../testing/api.ts';
import { type Browser, signInOwner, signInUser } from '../../testing/browser.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const devices = '/tenants/me/devices';
const explain = '/tenants/me/explain';
const web = { destination: '10.0.0.7', protocol: 'TCP', port: 443 };

/** Jane reaches the wiki by day. Her colleague reaches the vault. */
async function start(t: TestContext) {
  const app = await openTestApp(t);
  const make = makers(app);
  const [jane, colleague] = [await signInUser(app, 'jane@example.com'), await signInUser(app, 'colleague@example.com')];
  const [https, gateway] = [await make.protocol('443'), await make.gateway('Berlin')];
  const private_ = async (name: string, address: string) => {
    const resource = await make.resource(name, [{ address, protocols: [https.id] }]);
    await make.attach(resource.id, [gateway.id]);
    return resource;
  };
  const [wiki, vault] = [await private_('Wiki', '10.0.0.0/24'), await private_('Vault', '10.9.0.1')];
  const day = await make.rule('Secret office hours', "time.between('08:00', '18:00')");
  const forJane = { users: [jane.id], resources: [wiki.id], rule: day.id };
  await make.policy('Secret name of a policy', forJane);
  await make.policy('Secret other policy', { users: [colleague.id], resources: [vault.id] });
  const laptop = await add(jane.browser, 'laptop');
  const phone = await add(jane.browser, 'phone');
  const theirs = await add(colleague.browser, 'pc');
  return { app, make, jane: jane.browser, colleague: colleague.browser, wiki, vault, laptop, phone, theirs };
}

const add = (browser: Browser, name: string) => browser.ok('POST', devices, { name, publicKey: publicKeyOf(name) });
const evening = (app: TestApp) => new Date(app.clock.now + 6 * 3600_000).toISOString();

test('a person sees what the own devices reach now, in words, by which device and until when', async (t) => {
  const { app, jane, colleague, wiki, vault, laptop, phone, theirs } = await start(t);
  const page = await jane.ok('GET', '/tenants/me/resources');
  const validUntil = evening(app);
  assert.deepEqual(page.data, [
    {
      id: wiki.id,
      name: 'Wiki',
      addresses: [{ address: '10.0.0.0/24', protocols: ['TCP 443'] }],
      devices: [
        { id: laptop.id, name: 'laptop', validUntil },
        { id: phone.id, name: 'phone', validUntil },
      ],
    },
  ]);
  const other = await colleague.ok('GET', '/tenants/me/resources');
  assert.deepEqual(other.data, [
    {
      id: vault.id,
      name: 'Vault',
      addresses: [{ address: '10.9.0.1', protocols: ['TCP 443'] }],
      devices: [{ id: theirs.id, name: 'pc' }],
    },
  ]);
  app.clock.now += 7 * 3600_000;
  assert.equal((await jane.ok('GET', '/tenants/me/resources')).total, 0, 'the rule is not met any more');
});

test('what is reached comes page by page', async (t) => {
  const { jane, make, laptop } = await start(t);
  const { id: everything } = (await makeAll(make)) as { id: string };
  for (const name of ['b', 'a', 'c']) {
    const resource = await make.resource(name, [{ address: `10.1.0.${name.charCodeAt(0)}`, protocols: [everything] }]);
    await make.attach(resource.id, [(await make.gateway(name)).id]);
    await make.policy(name, { devices: [laptop.id], resources: [resource.id] });
  }
  const page = await jane.ok('GET', '/tenants/me/resources?limit=2&offset=2');
  assert.deepEqual(
    [page.total, page.hasNext, page.data.map(({ name }: { name: string }) => name)],
    [4, false, ['b', 'c']],
  );
});

const makeAll = (make: ReturnType<typeof makers>) => make.protocol('1-65535');

test('an own device is explained: allowed by which resource, or denied with a plain reason', async (t) => {
  const { app, jane, wiki, laptop } = await start(t);
  const device = { id: laptop.id, name: 'laptop' };
  const at = new Date(app.clock.now).toISOString();
  assert.deepEqual(await jane.ok('POST', explain, { device: laptop.id.toUpperCase(), ...web }), {
    device,
    allowed: true,
    reason: 'a policy allows it',
    at,
    validUntil: evening(app),
    resources: [{ id: wiki.id, name: 'Wiki' }],
  });
  const late = await jane.ok('POST', explain, { device: laptop.id, ...web, at: evening(app) });
  assert.deepEqual([late.allowed, late.reason], [false, 'a condition of this access is not met now']);
});

test('no answer names a policy, a rule, another person, or a resource out of reach', async (t) => {
  const { app, jane, laptop, vault } = await start(t);
  const asked = [
    await jane.ok('POST', explain, { device: laptop.id, ...web }),
    await jane.ok('POST', explain, { device: laptop.id, ...web, at: evening(app) }),
    await jane.ok('POST', explain, { device: laptop.id, ...web, destination: '10.9.0.1' }),
    await jane.ok('POST', explain, { device: laptop.id, destination: '10.99.0.1', protocol: 'ICMP' }),
    await jane.ok('GET', '/tenants/me/resources'),
  ];
  assert.doesNotMatch(JSON.stringify(asked), /Secret|colleague|Vault|Berlin/);
  assert.ok(!JSON.stringify(asked).includes(vault.id));
  const [there, nowhere] = [asked[2], asked[3]].map(({ allowed, reason }) => ({ allowed, reason }));
  assert.deepEqual(there, nowhere, 'a denial does not tell whether a resource is there');
});

test('the device of somebody else cannot be explained, in the same tenant or another', async (t) => {
  const { app, jane, colleague, laptop, theirs } = await start(t);
  const stranger = await signInOwner(app, 'stranger@example.com', app.other);
  const tries = [
    [jane, theirs.id],
    [colleague, laptop.id],
    [stranger, laptop.id],
  ] as const;
  for (const [browser, device] of tries) {
    const { status, json } = await browser.request('POST', explain, { device, ...web });
    assert.deepEqual([status, json.code], [404, 'not_found']);
  }
  assert.equal((await stranger.ok('GET', '/tenants/me/resources')).total, 0);
});

test('questions are checked, and one person cannot keep the controller busy with them', async (t) => {
  const { app, jane, colleague, laptop, theirs } = await start(t);
  for (const wrong of [{ destination: 'wiki' }, { protocol: 'ICMP' }, { port: 0 }, { user: laptop.id }])
    assert.equal((await jane.request('POST', explain, { device: laptop.id, ...web, ...wrong })).status, 400);
  const statuses = new Set<number>();
  for (let i = 0; i < 35; i++)
    statuses.add((await jane.request('POST', explain, { device: laptop.id, ...web })).status);
  assert.deepEqual([...statuses], [200, 429]);
  assert.equal((await jane.request('GET', '/tenants/me/resources')).status, 429);
  assert.equal((await colleague.request('POST', explain, { device: theirs.id, ...web })).status, 200);
  app.clock.now += 1000;
  assert.equal((await jane.request('GET', '/tenants/me/resources')).status, 200);
});
