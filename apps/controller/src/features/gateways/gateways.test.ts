import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEnrolmentToken } from '@sallyport/contract/channel';
import fc from 'fast-check';
import { absent, present } from '../../testing/channel.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const path = '/tenants/gateways';
const body = { name: 'Berlin', wireguardPort: '51820' };
const token = /^sgw_[0-9a-f]{32}_[\w-]{43}_[\w-]{22}$/;

const secretOf = (text: string): string => {
  const parsed = parseEnrolmentToken(text, 'gateway');
  assert.ok(parsed !== null, text);
  return parsed.secret;
};

const create = async (app: TestApp, more: object = {}) => {
  const { status, json, text } = await app.request('POST', path, { body: { ...body, ...more } });
  assert.equal(status, 201, text);
  return json;
};

test('a new gateway has exactly the fields of the published page, and ours', async (t) => {
  const app = await openTestApp(t);
  const { id, token: readable, ...rest } = await create(app);
  assert.match(readable, token);
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(rest, {
    createdAt: '2026-01-15T12:00:00.000Z',
    deployedOn: null,
    updatedAt: '2026-01-15T12:00:00.000Z',
    name: 'Berlin',
    wireguardPort: '51820',
    status: 'PENDING',
    relayEnabled: false,
    autoDiscoverEndpoint: true,
    resources: [],
    intent: 'ACTIVE',
    masquerade: true,
    relayPorts: '52000-52999',
  });
});

test('created policies are read back the same, one by one and in the list, in order of creation', async (t) => {
  const app = await openTestApp(t);
  const made = [];
  for (const name of ['b', 'a', 'c']) {
    made.push(await create(app, { name, description: `about ${name}`, endpoint: 'gw.example.com' }));
    app.clock.now += 1;
  }
  assert.deepEqual((await app.request('GET', path)).json, made);
  const { statistics, ...same } = (await app.request('GET', `${path}/${made[1].id}`)).json;
  assert.deepEqual(same, made[1]);
  assert.deepEqual(statistics, { connectedDevices: 0, bytesIn: 0, bytesOut: 0 });
  assert.equal(made[0].autoDiscoverEndpoint, false);
});

test('absent fields keep values, null clears them, and the list shows it', async (t) => {
  const app = await openTestApp(t);
  const { id } = await create(app, { description: 'old', endpoint: 'gw.example.com' });
  await app.request('GET', path);
  const patch = async (more: object) =>
    (await app.request('PATCH', `${path}/${id}`, { body: { ...body, ...more } })).json;
  app.clock.now += 1000;
  const kept = await patch({ name: 'Hamburg', wireguardPort: '51821' });
  assert.deepEqual(
    [kept.name, kept.wireguardPort, kept.description, kept.endpoint, kept.updatedAt],
    ['Hamburg', '51821', 'old', 'gw.example.com', '2026-01-15T12:00:01.000Z'],
  );
  const cleared = await patch({ description: null, endpoint: null, masquerade: false });
  assert.deepEqual(
    [cleared.description, cleared.endpoint, cleared.autoDiscoverEndpoint, cleared.masquerade],
    [undefined, undefined, true, false],
  );
  assert.deepEqual((await app.request('GET', path)).json, [cleared]);
});

test('status shown follows intent, then error, then deployment, then presence', async (t) => {
  const app = await openTestApp(t);
  const { id } = await create(app);
  const shown = async () => {
    const [one, [listed]] = [(await app.request('GET', `${path}/${id}`)).json, (await app.request('GET', path)).json];
    assert.equal(listed.status, one.status);
    assert.equal(listed.error, one.error);
    return one.status;
  };
  assert.equal(await shown(), 'PENDING');
  app.channel.presences.set(id, { ...present, lastSeen: app.clock.now });
  assert.equal(await shown(), 'PENDING');
  await app.parts.directory.deployed(id, app.clock.now);
  assert.equal(await shown(), 'ONLINE');
  app.channel.presences.set(id, { ...present, error: 'The port is taken.' });
  assert.equal(await shown(), 'ERROR');
  app.channel.presences.set(id, absent);
  assert.equal(await shown(), 'OFFLINE');
  await app.parts.directory.observed(id, { error: 'The port is taken.' });
  assert.equal(await shown(), 'ERROR');
  app.channel.presences.set(id, present);
  assert.equal(await shown(), 'ONLINE');
  await app.request('PATCH', `${path}/${id}`, { body: { ...body, status: 'MAINTENANCE' } });
  assert.equal(await shown(), 'MAINTENANCE');
});

test('a status in PATCH changes the intent only when it differs from the shown status', async (t) => {
  const app = await openTestApp(t);
  const { id } = await create(app);
  const patch = async (more: object) => {
    const { json } = await app.request('PATCH', `${path}/${id}`, { body: { ...body, ...more } });
    return [json.intent, json.status];
  };
  assert.deepEqual(await patch({ status: 'PENDING' }), ['ACTIVE', 'PENDING']);
  assert.deepEqual(await patch({ status: 'ERROR' }), ['ACTIVE', 'PENDING']);
  assert.deepEqual(await patch({ status: 'ONLINE' }), ['ACTIVE', 'PENDING']);
  assert.deepEqual(await patch({ status: 'MAINTENANCE' }), ['MAINTENANCE', 'MAINTENANCE']);
  assert.deepEqual(await patch({ status: 'MAINTENANCE' }), ['MAINTENANCE', 'MAINTENANCE']);
  assert.deepEqual(await patch({ status: 'OFFLINE' }), ['OFFLINE', 'OFFLINE']);
  assert.deepEqual(await patch({ status: 'ERROR' }), ['OFFLINE', 'OFFLINE']);
  assert.deepEqual(await patch({ status: 'ONLINE' }), ['ACTIVE', 'PENDING']);
  await app.parts.directory.deployed(id, app.clock.now);
  // Momentarily silent: writing back what was read must not become an order.
  assert.deepEqual(await patch({ status: 'OFFLINE' }), ['ACTIVE', 'OFFLINE']);
  assert.deepEqual(await patch({ status: 'ONLINE', intent: 'OFFLINE' }), ['OFFLINE', 'OFFLINE']);
});

test('lastOnline is the last moment known, across a restart', async (t) => {
  const app = await openTestApp(t);
  const { id } = await create(app);
  await app.parts.directory.deployed(id, app.clock.now);
  const last = async () => [
    (await app.request('GET', `${path}/${id}`)).json.lastOnline,
    (await app.request('GET', path)).json[0].lastOnline,
  ];
  assert.deepEqual(await last(), [undefined, undefined]);
  app.channel.presences.set(id, { ...present, lastSeen: app.clock.now + 10_000 });
  assert.deepEqual(await last(), ['2026-01-15T12:00:10.000Z', '2026-01-15T12:00:10.000Z']);
  await app.parts.directory.lastOnline(new Map([[id, app.clock.now + 20_000]]));
  app.channel.presences.delete(id);
  assert.deepEqual(await last(), ['2026-01-15T12:00:20.000Z', '2026-01-15T12:00:20.000Z']);
});

test('statistics say what the agent counts', async (t) => {
  const app = await openTestApp(t);
  const { id } = await create(app);
  const statistics = { connectedDevices: 2, bytesIn: 10, bytesOut: 20, lastHandshake: app.clock.now };
  const applied = { revision: { epoch: 'e', number: 7 }, hash: 'x', tookMs: 3 };
  app.channel.presences.set(id, { ...present, statistics, applied });
  assert.deepEqual((await app.request('GET', `${path}/${id}`)).json.statistics, {
    ...statistics,
    lastHandshake: '2026-01-15T12:00:00.000Z',
    appliedRevision: 7,
    lag: 1,
  });
  assert.equal((await app.request('GET', path)).json[0].statistics, undefined);
});

test('statistics name the version of the agent, and say when it is older than the controller', async (t) => {
  const app = await openTestApp(t);
  const { id } = await create(app);
  const shownFor = async (version: string) => {
    const agent = { version, hostname: 'h', os: 'o', kernel: 'k', wireguard: 'kernel' } as const;
    app.channel.presences.set(id, { ...present, agent });
    const { agentVersion, outdated } = (await app.request('GET', `${path}/${id}`)).json.statistics;
    return [agentVersion, outdated];
  };
  assert.deepEqual(await shownFor('0.0.1'), ['0.0.1', true]);
  assert.deepEqual(await shownFor('999.0.0'), ['999.0.0', false]);
});

test('a token is readable for those who may deploy, and masked for others', async (t) => {
  const app = await openTestApp(t);
  const made = await create(app);
  const auditor = { key: await app.key('AUDITOR') };
  for (const masked of [
    (await app.request('GET', `${path}/${made.id}`, auditor)).json.token,
    (await app.request('GET', path, auditor)).json[0].token,
  ]) {
    assert.doesNotMatch(masked, token);
    assert.ok(masked.startsWith('sgw_'));
    assert.ok(!made.token.startsWith(masked.slice(0, 45)));
  }
  assert.equal((await app.request('GET', path)).json[0].token, made.token);
  const rows = JSON.stringify([
    await app.store.db.selectFrom('gateways').selectAll().execute(),
    await app.store.db.selectFrom('audit_events').selectAll().execute(),
  ]);
  assert.ok(!rows.includes(secretOf(made.token)));
});

test('a re-key renews the token and ends the identity; key and status stay', async (t) => {
  const app = await openTestApp(t);
  const made = await create(app);
  const secret = secretOf(made.token);
  const keys = { identityKey: 'i'.repeat(43), wireguardPublicKey: 'w'.repeat(43), hostname: 'h' };
  const { directory } = app.parts;
  assert.equal(await directory.agents.gateway.enrol(made.id, secret, keys), 'enrolled');
  await directory.deployed(made.id, app.clock.now);
  app.channel.presences.set(made.id, present);
  const rekeyed = (await app.request('POST', `${path}/${made.id}/rekey`)).json;
  assert.notEqual(rekeyed.token, made.token);
  assert.deepEqual([rekeyed.status, rekeyed.publicKey], ['ONLINE', keys.wireguardPublicKey]);
  const record = await directory.agents.gateway.find(made.id);
  assert.ok(record !== null && record !== 'deleted');
  assert.deepEqual([record.identityKey, record.wireguardPublicKey], [null, keys.wireguardPublicKey]);
  assert.equal(await directory.agents.gateway.enrol(made.id, secret, keys), 'bad-token');
  assert.equal(await directory.agents.gateway.enrol(made.id, secretOf(rekeyed.token), keys), 'enrolled');
});

test('enable-relay and disable-relay say what they did', async (t) => {
  const app = await openTestApp(t);
  const { id } = await create(app);
  const enabled = await app.request('POST', `${path}/${id}/enable-relay`);
  assert.deepEqual([enabled.status, enabled.json.relayEnabled], [201, true]);
  assert.equal((await app.request('POST', `${path}/${id}/disable-relay`)).json.relayEnabled, false);
});

test('a deleted gateway is gone, and its agent is told so', async (t) => {
  const app = await openTestApp(t);
  const made = await create(app);
  await app.request('GET', path);
  const answer = await app.request('DELETE', `${path}/${made.id}`);
  assert.deepEqual([answer.status, answer.text], [204, '']);
  assert.equal((await app.request('GET', `${path}/${made.id}`)).status, 404);
  assert.equal((await app.request('DELETE', `${path}/${made.id}`)).status, 404);
  assert.deepEqual((await app.request('GET', path)).json, []);
  assert.equal(await app.parts.directory.agents.gateway.find(made.id), 'deleted');
  assert.equal(await app.parts.directory.agents.gateway.find('00000000-0000-4000-8000-000000000000'), null);
  assert.equal(
    await app.parts.directory.agents.gateway.enrol(made.id, secretOf(made.token), {
      identityKey: 'a',
      wireguardPublicKey: 'b',
      hostname: 'h',
    }),
    'bad-token',
  );
});

test('invalid ports, names and endpoints are refused', async (t) => {
  const app = await openTestApp(t);
  const refused = async (more: object, pointer: string) => {
    const { status, json } = await app.request('POST', path, { body: { ...body, ...more } });
    assert.deepEqual([status, json.errors[0].pointer], [400, pointer], JSON.stringify(more));
  };
  for (const port of ['0', '65536', '51820x', '051820', ' 1', '', '1e3', 51820, null, ['51820']])
    await refused({ wireguardPort: port }, '/wireguardPort');
  for (const name of ['', 'x'.repeat(121), 'a\nb', '\u0085', 'a\ud800', 5, null]) await refused({ name }, '/name');
  for (const endpoint of ['', 'http://x', 'a b', '1.2.3.4:0', '1.2.3.4:65536', '1.2.3', '[1.2.3.4]:1', 'x:y', 7])
    await refused({ endpoint }, '/endpoint');
  for (const endpoint of ['gw.example.com', 'gw.example.com:51820', '192.0.2.1', '[2001:db8::1]:51820', '2001:db8::1'])
    await create(app, { endpoint });
  for (const port of ['1', '65535']) await create(app, { wireguardPort: port });
});

test('the endpoint of an agent on this machine is told as others reach it', async (t) => {
  const app = await openTestApp(t);
  const { id } = await create(app);
  const discovered = async (endpoint: string) => {
    await app.parts.directory.observed(id, { discoveredEndpoint: endpoint });
    return (await app.request('GET', `${path}/${id}`)).json.discoveredEndpoint;
  };
  assert.equal(await discovered('127.0.0.1:51820'), '192.0.2.10:51820');
  assert.equal(await discovered('198.51.100.7:51820'), '198.51.100.7:51820');
  assert.equal(await discovered('[::1]:51820'), '192.0.2.10:51820');
});

test('reports of agents are not changes by an administrator', async (t) => {
  const app = await openTestApp(t);
  const made = await create(app);
  app.clock.now += 1000;
  await app.parts.directory.deployed(made.id, app.clock.now);
  await app.parts.directory.observed(made.id, { error: 'x', discoveredEndpoint: '198.51.100.7:51820' });
  const { headers, json } = await app.request('GET', `${path}/${made.id}`);
  assert.deepEqual(
    [headers.etag, json.updatedAt, json.deployedOn],
    ['"1"', made.updatedAt, '2026-01-15T12:00:01.000Z'],
  );
  const revision = async () =>
    (
      await app.store.db
        .selectFrom('tenants')
        .select('revision')
        .where('id', '=', app.tenant.id)
        .executeTakeFirstOrThrow()
    ).revision;
  const before = await revision();
  await app.parts.directory.deployed(made.id, app.clock.now + 5000);
  await app.parts.directory.observed(made.id, { error: 'x' });
  await app.parts.directory.lastOnline(new Map([[made.id, app.clock.now]]));
  assert.equal(await revision(), before);
});

test('the list always equals the gateways read one by one', async (t) => {
  const app = await openTestApp(t);
  const ids: string[] = [];
  const oneByOne = async () => {
    const answers = await Promise.all(ids.map((id) => app.request('GET', `${path}/${id}`)));
    return answers.filter(({ status }) => status === 200).map(({ json: { statistics: _, ...same } }) => same);
  };
  const agree = async () => {
    const [list, expected] = [(await app.request('GET', path)).json, await oneByOne()];
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
    assert.deepEqual(list.toSorted(byId), expected.toSorted(byId));
  };
  const step = fc.tuple(fc.constantFrom('create', 'patch', 'delete', 'online', 'seen', 'error', 'list'), fc.nat(20));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 6 }), async (rounds) => {
      for (const round of rounds) {
        await Promise.all(
          round.map(async ([what, n]) => {
            const id = ids[n % Math.max(1, ids.length)] ?? '';
            if (what === 'create') ids.push((await create(app, { name: `g${n}` })).id);
            else if (what === 'list') await app.request('GET', path);
            else if (id === '') return;
            else if (what === 'patch')
              await app.request('PATCH', `${path}/${id}`, { body: { ...body, name: `p${n}` } });
            else if (what === 'delete') await app.request('DELETE', `${path}/${id}`);
            else if (what === 'online') app.channel.presences.set(id, { ...present, lastSeen: app.clock.now + n });
            else if (what === 'seen') await app.parts.directory.lastOnline(new Map([[id, app.clock.now + n]]));
            else await app.parts.directory.observed(id, { error: `e${n}` });
          }),
        );
        await agree();
      }
    }),
    { numRuns: 25 },
  );
});
