import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { type HandshakeProbeResult, privateKeyFrom, probeHandshake, publicKeyOf } from '@sallyport/wireguard';
import { Egress } from '../../egress/egress.ts';
import type { GatewayRow } from '../../objects/gateways/store.ts';
import { present, ScriptedChannel } from '../../testing/channel.ts';
import { openTestApp } from '../../testing/harness.ts';
import type { Outside } from './outside.ts';
import { ConfigurationTests } from './test-configuration.ts';

const probeKey = privateKeyFrom(randomBytes(32));

async function gatewayRow(t: TestContext, facts: Partial<GatewayRow>): Promise<GatewayRow> {
  const app = await openTestApp(t);
  const { json } = await app.request('POST', '/tenants/gateways', { body: { name: 'x', wireguardPort: '51820' } });
  const rows = app.store.db.selectFrom('gateways').selectAll().where('id', '=', json.id);
  return { ...(await rows.executeTakeFirstOrThrow()), deployed_on: 1, wireguard_key: publicKeyOf(probeKey), ...facts };
}

/** What a tenant is told, and how long each failure was held back. */
async function told(row: GatewayRow, network: Partial<Outside>) {
  const channel = new ScriptedChannel();
  channel.presences.set(row.id, present);
  channel.probes = [];
  const pauses: number[] = [];
  const outside: Outside = {
    probeKey,
    probe: async () => assert.fail('nothing may be knocked at'),
    egress: new Egress({ allow: [], deny: [] }, async () => ['192.0.2.7']),
    pathMtu: async () => 1500,
    details: false,
    pause: async (ms) => void pauses.push(ms),
    ...network,
  };
  const answer = await new ConfigurationTests(channel, outside).run({
    row,
    resources: [],
    names: new Map(),
    mtu: 1280,
  });
  return { text: `${answer.details} ${answer.error}`, pauses };
}

type Failure = Extract<HandshakeProbeResult, { ok: false }>['reason'];

test('forbidden places are sent nothing, and look like places where nothing answers', async (t) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  const heard: string[] = [];
  socket.on('message', (_, { address }) => heard.push(address));
  const { port } = socket.address();
  const row = await gatewayRow(t, {});
  for (const host of ['127.0.0.1', 'localhost', '0.0.0.0', '[::ffff:127.0.0.1]', '169.254.169.254', '224.0.0.1']) {
    const endpoint = `${host}:${port}`;
    const { text, pauses } = await told(
      { ...row, endpoint },
      { probe: probeHandshake, egress: new Egress({ allow: [], deny: [] }) },
    );
    assert.match(text, /WireGuard: does not answer at/, endpoint);
    assert.equal(pauses.length, 1, 'the refusal takes as long as silence');
  }
  // A datagram of ours comes behind any that a test has sent.
  const own = createSocket('udp4');
  t.after(() => own.close());
  own.send('done', port, '127.0.0.1');
  await once(socket, 'message');
  assert.deepEqual(heard, ['127.0.0.1']);
});

test('every failure gives the same answer, whatever the network reported', async (t) => {
  const row = await gatewayRow(t, { endpoint: 'db.internal:5432' });
  const fails = (reason: Failure) => told(row, { probe: async () => ({ ok: false, reason }) });
  const silent = await fails('no-answer');
  for (const reason of ['refused', 'unreachable', 'bad-answer', 'unresolved'] as const)
    assert.equal((await fails(reason)).text, silent.text, reason);
  const resolves = (...addresses: string[]) => new Egress({ allow: [], deny: [] }, async () => addresses);
  for (const [why, egress] of [
    ['no address', resolves()],
    ['forbidden', resolves('127.0.0.1')],
    ['no name server', new Egress({ allow: [], deny: [] }, () => Promise.reject(new Error('x')))],
  ] as const) {
    const { text, pauses } = await told(row, { egress });
    assert.equal(text, silent.text, why);
    assert.ok(pauses.length === 1 && (pauses[0] ?? 0) > 0, why);
  }
});

test('an answer shows neither the address of a name nor the location of the controller', async (t) => {
  const row = await gatewayRow(t, { endpoint: 'vpn.example.com' });
  const probe = async (): Promise<HandshakeProbeResult> => ({
    ok: true,
    rttMs: 3,
    from: '10.9.9.9:4000',
    to: '192.0.2.7:51820',
    acknowledged: true,
  });
  const { text } = await told(row, { probe });
  assert.match(text, /answers a handshake at vpn\.example\.com:51820/);
  assert.doesNotMatch(text, /10\.9\.9\.9|192\.0\.2\.7/);
  const open = await told(row, { probe, details: true });
  assert.match(open.text, /vpn\.example\.com is 192\.0\.2\.7.*knocked at from 10\.9\.9\.9:4000/);
});

test('the checked address is the one that is probed: the name is not resolved again', async (t) => {
  const row = await gatewayRow(t, { endpoint: 'rebind.example.com' });
  const answers = [['192.0.2.7'], ['127.0.0.1']];
  const knocked: string[] = [];
  const { pauses } = await told(row, {
    egress: new Egress({ allow: [], deny: [] }, async () => answers.shift() ?? []),
    probe: async ({ endpoint }) => {
      knocked.push(endpoint.host);
      return { ok: false, reason: 'no-answer' };
    },
  });
  assert.deepEqual([knocked, answers.length, pauses.length], [['192.0.2.7'], 1, 1]);
});

test('before a gateway is deployed no name is asked for', async (t) => {
  const row = await gatewayRow(t, { endpoint: 'db.internal', wireguard_key: null, deployed_on: null });
  const egress = new Egress({ allow: [], deny: [] }, async () => assert.fail('no name may be asked for'));
  assert.match((await told(row, { egress })).text, /db\.internal:51820, as given\. Not known before/);
});

test('a tenant that tests too often is slowed down, and other tenants are not', async (t) => {
  const app = await openTestApp(t);
  const make = async (key: string) =>
    (await app.request('POST', '/tenants/gateways', { body: { name: 'x', wireguardPort: '51820' }, key })).json.id;
  const run = (id: string, key: string) => app.request('POST', `/tenants/gateways/${id}/test-configuration`, { key });
  const own = await make(app.tenant.key);
  const statuses: number[] = [];
  for (let nth = 0; nth < 12; nth++) statuses.push((await run(own, app.tenant.key)).status);
  assert.deepEqual(statuses, [...new Array(10).fill(201), 429, 429]);
  const refused = await run(own, app.tenant.key);
  assert.match(refused.json.detail, /try again in 5 seconds/);
  assert.equal(refused.headers['retry-after'], '5');
  const foreign = await make(app.other.key);
  assert.equal((await run(foreign, app.other.key)).status, 201);
  app.clock.now += 5_000;
  assert.equal((await run(own, app.tenant.key)).status, 201, 'what was refused has cost nothing');
  assert.equal((await run(own, app.tenant.key)).status, 429);
});
