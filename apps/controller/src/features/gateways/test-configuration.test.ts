import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import {
  type HandshakeProbeResult,
  privateKeyFrom,
  probeHandshake,
  publicKeyOf,
  Responder,
} from '@sallyport/wireguard';
import { Egress } from '../../egress/egress.ts';
import type { GatewayRow } from '../../objects/gateways/store.ts';
import { makers } from '../../testing/api.ts';
import { present, ScriptedChannel } from '../../testing/channel.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import type { Outside } from './outside.ts';
import { ConfigurationTests } from './test-configuration.ts';

const body = { name: 'Berlin', wireguardPort: '51820' };
const probeKey = privateKeyFrom(randomBytes(32));

/** Row of a gateway that was created through the API, with facts that only agents tell. */
async function gatewayRow(app: TestApp, facts: Partial<GatewayRow>): Promise<GatewayRow> {
  const { json } = await app.request('POST', '/tenants/gateways', { body });
  const rows = app.store.db.selectFrom('gateways').selectAll().where('id', '=', json.id);
  return { ...(await rows.executeTakeFirstOrThrow()), deployed_on: 1, wireguard_key: publicKeyOf(probeKey), ...facts };
}

const resolves = (...addresses: string[]) => new Egress({ allow: ['127.0.0.1'], deny: [] }, async () => addresses);
/** Nothing waits, and everything is told. */
const open = { egress: resolves('192.0.2.7'), pathMtu: async () => 1500, details: true, pause: async () => {} };

/** Runs the test with a network that is as the test says. */
async function run(row: GatewayRow, network: Partial<Outside>, presence = present) {
  const channel = new ScriptedChannel();
  channel.presences.set(row.id, presence);
  channel.probes = [];
  const outside: Outside = {
    probeKey,
    probe: async () => assert.fail('nothing is to be knocked at'),
    ...open,
    ...network,
  };
  return new ConfigurationTests(channel, outside).run({ row, resources: [], names: new Map(), mtu: 1280 });
}

const answers = (acknowledged: boolean, to = '192.0.2.7:51820'): HandshakeProbeResult => ({
  ok: true,
  rttMs: 12.3,
  from: '198.51.100.1:40000',
  to,
  acknowledged,
});

/** What WireGuard is on the wire: answers handshakes, and acknowledges data that fits, without the ten seconds. */
async function openWireGuard(t: TestContext, largest: number) {
  const privateKey = privateKeyFrom(randomBytes(32));
  const responder = new Responder({ privateKey, random: randomBytes });
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  const sizes: number[] = [];
  socket.on('message', (datagram, { address, port }) => {
    const known = (key: string) => (key === publicKeyOf(probeKey) ? {} : null);
    sizes.push(datagram.length);
    if (datagram.length > largest) return;
    const result = responder.handle(datagram, `${address}:${port}`, performance.now(), known);
    if (result.kind === 'reply') socket.send(result.datagram, port, address);
    if (result.kind !== 'authenticated' || result.keepalive) return;
    socket.send(responder.keepalive(result.peer, performance.now()) ?? new Uint8Array(0), port, address);
  });
  return { endpoint: `127.0.0.1:${socket.address().port}`, publicKey: publicKeyOf(privateKey), sizes };
}

test('the API shows a gateway before it is deployed and after an agent connected', async (t) => {
  const app = await openTestApp(t);
  const { json: made } = await app.request('POST', '/tenants/gateways', {
    body: { ...body, endpoint: 'gateway.invalid' },
  });
  const test = async () => (await app.request('POST', `/tenants/gateways/${made.id}/test-configuration`)).json;

  const away = await test();
  assert.equal(away.status, 'NOT_REACHABLE');
  assert.match(away.details, /never been deployed.*Endpoint: gateway\.invalid:51820, as given\. Not known/);
  assert.match(away.error, /run the gateway with its token/);

  await app.request('PATCH', `/tenants/gateways/${made.id}`, { body: { ...body, endpoint: '192.0.2.1' } });
  const resolved = await test();
  assert.match(resolved.details, /Endpoint: 192\.0\.2\.1:51820, as given\. Not known before the gateway is deployed/);
  assert.doesNotMatch(resolved.error, /192/);

  app.channel.presences.set(made.id, present);
  const silent = await test();
  assert.equal(silent.status, 'ERROR');
  assert.match(silent.error, /did not answer within 10 seconds/);

  await app.parts.directory.deployed(made.id, app.clock.now);
  app.channel.probes = [];
  const fine = await test();
  assert.deepEqual([fine.status, fine.error], ['ONLINE', undefined]);
  assert.match(fine.details, /desired state is applied.*none attached.*Not probed: other networks/);

  app.channel.presences.set(made.id, { ...present, converged: false, error: 'Port 51820 is taken.' });
  const failing = await test();
  assert.deepEqual([failing.status, failing.error], ['ERROR', 'Port 51820 is taken.']);
  assert.match(failing.details, /not applied yet/);

  const { key } = app.other;
  assert.equal((await app.request('POST', `/tenants/gateways/${made.id}/test-configuration`, { key })).status, 404);
});

test('a real handshake from outside, a full packet, and where they were sent from', async (t) => {
  const app = await openTestApp(t);
  const wireguard = await openWireGuard(t, 2000);
  const row = await gatewayRow(app, { endpoint: wireguard.endpoint, wireguard_key: wireguard.publicKey });
  const { status, details, error } = await run(row, { probe: probeHandshake });
  assert.deepEqual([status, error], ['ONLINE', undefined]);
  assert.match(details ?? '', /answers a handshake at 127\.0\.0\.1:\d+ in \d+ ms, knocked at from 127\.0\.0\.1:\d+ in/);
  assert.match(details ?? '', /a full packet \(1340 bytes, 1280 in the tunnel\) arrives/);
  assert.deepEqual(wireguard.sizes, [148, 1312]);
});

test('requests during a running test share its result', async (t) => {
  const app = await openTestApp(t);
  const row = await gatewayRow(app, { endpoint: '192.0.2.7' });
  const channel = new ScriptedChannel();
  const hold = Promise.withResolvers<HandshakeProbeResult>();
  let knocked = 0;
  const probe = () => {
    knocked++;
    return hold.promise;
  };
  const tests = new ConfigurationTests(channel, {
    probeKey,
    probe,
    ...open,
  });
  const tested = { row, resources: [], names: new Map(), mtu: 1280 };
  const both = [tests.run(tested), tests.run(tested)];
  hold.resolve(answers(true));
  const [first, second] = await Promise.all(both);
  assert.deepEqual([first, knocked], [second, 1]);
});

test('a WireGuard that does not answer is reported with the cause and the port to open; the agent decides the status', async (t) => {
  const app = await openTestApp(t);
  const given = await gatewayRow(app, { endpoint: 'vpn.example.com', discovered_endpoint: '203.0.113.9:51820' });
  const failing = async (reason: Exclude<HandshakeProbeResult, { ok: true }>['reason']) =>
    run(given, { probe: async () => ({ ok: false, reason }) });
  const silent = await failing('no-answer');
  assert.equal(silent.status, 'ONLINE');
  assert.match(silent.details ?? '', /as given; vpn\.example\.com is 192\.0\.2\.7\. WireGuard: does not answer at vpn/);
  assert.match(silent.error ?? '', /open that UDP port in every firewall.*lead to UDP 51820 of the gateway/);
  assert.match((await failing('refused')).error ?? '', /does not listen/);
  assert.match((await failing('bad-answer')).error ?? '', /is not what answers/);

  const elsewhere = await run(given, {
    probe: async ({ endpoint }) =>
      endpoint.host === '203.0.113.9' ? answers(false) : { ok: false, reason: 'no-answer' },
  });
  assert.match(elsewhere.error ?? '', /It does answer at 203\.0\.113\.9:51820\./);
  const slow = await run(given, { egress: resolves() });
  assert.match(slow.error ?? '', /vpn\.example\.com cannot be resolved/);
});

test('an endpoint that the beacon sees may be closed to strangers; without one there is nothing to knock at', async (t) => {
  const app = await openTestApp(t);
  const row = await gatewayRow(app, {
    endpoint: null,
    discovered_endpoint: '198.51.100.9:4242',
    mapping_independent: 1,
  });
  const closed = await run(row, { probe: async () => ({ ok: false, reason: 'no-answer' }) });
  assert.deepEqual([closed.status, closed.error], ['ONLINE', undefined]);
  assert.match(closed.details ?? '', /as the beacon sees.*keeps strangers out.*plain ones need an endpoint/);
  const guessed = { ...row, mapping_independent: null };
  assert.match(
    (await run(guessed, { probe: async () => ({ ok: false, reason: 'no-answer' }) })).error ?? '',
    /open that/,
  );
  const dependent = await run({ ...row, discovered_endpoint: null, mapping_independent: 0 }, {});
  assert.match(dependent.details ?? '', /shows each peer another address.*through relays/);
  assert.match((await run({ ...guessed, discovered_endpoint: null }, {})).details ?? '', /none is discovered before/);
});

test('a path that is too narrow for full packets is reported with the MTU to set', async (t) => {
  const app = await openTestApp(t);
  const row = await gatewayRow(app, { endpoint: '192.0.2.7' });
  const told = await run(row, { probe: async () => answers(true), pathMtu: async () => 1300 });
  assert.match(told.error ?? '', /1340 bytes do not fit.*set its MTU, or the tenant's, to 1240 or less/);
  const six = await run(row, { probe: async () => answers(true, '[2001:db8::7]:51820'), pathMtu: async () => 1340 });
  assert.match(six.error ?? '', /1360 bytes do not fit.*to 1260 or less/);
  const swallowed = await run(row, { probe: async ({ padding }) => answers((padding?.bytes ?? 0) < 1000) });
  assert.match(swallowed.error ?? '', /1340 bytes are lost.*lower than 1280/);
  const mute = await run(row, { probe: async () => answers(false) });
  assert.deepEqual([mute.error, /MTU: not known/.test(mute.details ?? '')], [undefined, true]);
  const unknown = await run(row, { probe: async () => answers(true), pathMtu: async () => null });
  assert.match(unknown.details ?? '', /a full packet .* arrives/);
});

test('a name that does not resolve is a matter of resolvers, and not of routes and firewalls', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const { id: web } = await make.protocol('80');
  const gateway = await make.gateway('Berlin');
  const made = await make.resource(
    'Wiki',
    ['wiki.corp.example', 'docs.corp.example', '10.0.0.7'].map((address) => ({ address, protocols: [web] })),
  );
  await make.attach(made.id, [gateway.id]);
  const [wiki, docs, server] = made.addresses as { id: string }[];
  const probe = (of: { id: string } | undefined, reachable: boolean, detail: string) => ({
    ...{ id: of?.id ?? '', resource: made.id, reachable, detail },
  });
  const tell = async (probes: ReturnType<typeof probe>[]) => {
    app.channel.show(gateway.id, present);
    app.channel.probes = probes;
    return (await app.request('POST', `/tenants/gateways/${gateway.id}/test-configuration`)).json;
  };
  const absent = 'The resolver says that docs.corp.example does not exist';
  const resolved = probe(wiki, true, 'wiki.corp.example has the address 10.0.0.5');
  const { error, details } = await tell([resolved, probe(docs, false, absent), probe(server, true, 'answers at 80')]);
  assert.match(details, /Wiki has a name that resolves \(wiki\.corp\.example has the address 10\.0\.0\.5\)/);
  assert.match(
    details,
    /Wiki has a name that leads nowhere \(The resolver says that docs\.corp\.example does not exist\)/,
  );
  assert.match(details, /Wiki reachable \(answers at 80\)/);
  assert.match(error, /Names that lead nowhere from the gateway: docs\.corp\.example\. .*resolvers/);
  assert.doesNotMatch(error, /firewall/);
  const both = await tell([probe(docs, false, absent), probe(server, false, 'no answer at 80')]);
  assert.match(both.error, /Not reachable from the gateway: Wiki\. .*firewalls.* Names that lead nowhere/);
});
