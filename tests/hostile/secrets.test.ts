import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { parseEnrolmentToken } from '@sallyport/contract/channel';
import { newAgent, ScriptedAgent } from '../../apps/controller/src/channel/testing/scripted-agent.ts';
import { ControllerProcess, testFolder } from '../../apps/controller/src/testing/controller-process.ts';

/** The real controller, and calls of its API. */
async function openController(t: TestContext) {
  const controller = await ControllerProcess.start(t, testFolder(t));
  const owner = controller.printedKey ?? assert.fail(controller.stderr);
  const call = async (method: string, path: string, body?: object, headers: Record<string, string> = {}) => {
    const answer = await fetch(controller.url + path, {
      method,
      headers: { apikey: owner, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, text, json: text.startsWith('{') ? JSON.parse(text) : undefined };
  };
  return { controller, call };
}

/** A gateway whose agent has enrolled, so that its WireGuard port can be probed. */
async function enrolledGateway({ controller, call }: Awaited<ReturnType<typeof openController>>, endpoint: string) {
  const { json } = await call('POST', '/tenants/gateways', { name: 'x', wireguardPort: '51820', endpoint });
  const { agent } = parseEnrolmentToken(json.token, 'gateway') ?? assert.fail(json.token);
  await (await ScriptedAgent.connect(Number(new URL(controller.url).port), newAgent(agent, json.token))).cut();
  return json.id as string;
}

test('a writer key cannot extract keys from an owner’s requests', async (t) => {
  const { call } = await openController(t);
  const { json: admin } = await call('POST', '/tenants/api-keys', { name: 'second', role: 'OWNER' });
  const headers = { 'idempotency-key': 'deploy-1' };
  const { json: first } = await call('POST', '/tenants/api-keys', { name: 'ci' }, headers);
  const stolen = await call('POST', '/tenants/api-keys', { name: 'ci' }, { ...headers, apikey: admin.key });
  assert.notEqual(stolen.json.id, first.id);
  assert.ok(!stolen.text.includes(first.key));
  const again = await call('POST', '/tenants/api-keys', { name: 'ci' }, headers);
  assert.deepEqual([again.status, again.json.id, again.json.key], [201, first.id, undefined]);
});

/** Returns the report on the endpoint and WireGuard, without the report on the agent. */
const knock = (text: string): string => (text.match(/(?:Endpoint|WireGuard).*?\.(?= |$)/g) ?? []).join(' ');

test('test-configuration sends nothing to the controller’s host, and reports closed, open and silent ports alike', async (t) => {
  const opened = await openController(t);
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  let heard = 0;
  socket.on('message', () => heard++);
  const { port } = socket.address();
  // An open port, a closed port, and names of both.
  const places = [`127.0.0.1:${port}`, '127.0.0.1:9', `localhost:${port}`, '[::1]:9', 'no-such-name.invalid:9'];
  const gateways: string[] = [];
  for (const place of places) gateways.push(await enrolledGateway(opened, place));
  const answers = await Promise.all(
    gateways.map((id) => opened.call('POST', `/tenants/gateways/${id}/test-configuration`)),
  );
  const told = new Set(
    answers.map(({ json }, nth) => knock(`${json.details} ${json.error}`).replaceAll(places[nth] ?? '', 'PLACE')),
  );
  assert.equal(told.size, 1, [...told].join('\n'));
  assert.match([...told].join(), /Endpoint: PLACE.*WireGuard: does not answer at PLACE.*WireGuard does not answer/);
  const done = createSocket('udp4');
  t.after(() => done.close());
  done.send('done', port, '127.0.0.1');
  await once(socket, 'message');
  assert.equal(heard, 1, 'only the datagram of the test itself');
});

test('an agent that enrols with a gateway’s public key gets no access, and the gateway keeps working', async (t) => {
  const opened = await openController(t);
  const id = await enrolledGateway(opened, '192.0.2.1');
  const { json: gateway } = await opened.call('GET', `/tenants/gateways/${id}`);
  const { json: made } = await opened.call('POST', '/tenants/enrolment-keys', {});
  const thief = { ...newAgent(made.id, made.key, 'device'), wireguardPublicKey: gateway.publicKey };
  const agent = await ScriptedAgent.open(Number(new URL(opened.controller.url).port), thief);
  await agent.authenticate();
  assert.equal((await agent.expect('refused')).code, 'bad-possession');
  assert.equal((await opened.call('GET', `/tenants/devices/${made.id}`)).status, 404);
  assert.equal((await opened.call('GET', `/tenants/gateways/${id}`)).json.publicKey, gateway.publicKey);
});

test('the API address serves no metrics, and a metrics port in use does not stop the API', async (t) => {
  const other = createServer((_, answer) => answer.end()).listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const taken = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  const controller = await ControllerProcess.start(t, testFolder(t), ['--metrics-listen', taken]);
  assert.match(controller.stderr, /there are no metrics: port \d+ of 127\.0\.0\.1 is in use/);
  for (const headers of [{}, { apikey: controller.printedKey ?? '' }])
    assert.equal((await fetch(`${controller.url}/metrics`, { headers })).status, 404);
});
