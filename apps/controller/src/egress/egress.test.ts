import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Egress } from './egress.ts';
import { egressRequest } from './request.ts';
import { EgressTargets } from './targets.ts';

const own = () => ({ addresses: ['203.0.113.10', '192.168.1.5'], networks: ['203.0.113.10/24', '192.168.1.5/24'] });
const none = { allow: [], deny: [] };

test('addresses are forbidden in every notation and embedding', () => {
  const targets = new EgressTargets(none, own);
  const never = [
    ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '169.254.169.254', '224.0.0.251', '255.255.255.255', '240.0.0.1'],
    ...['::', '::1', 'fe80::1', 'ff02::1', 'fd00:ec2::254', '::ffff:127.0.0.1', '::127.0.0.1', '64:ff9b::7f00:1'],
    ...['2002:7f00:1::', '2001:0:1::', '::ffff:a9fe:a9fe', '100.64.0.1', '203.0.113.10', '192.168.1.5', 'fe80::1%eth0'],
    ...['', '127.1', '0x7f000001', '2130706433', 'localhost', '10.0.0.0/8'],
  ];
  for (const address of never)
    for (const purpose of ['knock', 'request'] as const)
      assert.equal(targets.permits(address, purpose), false, `${purpose} ${address}`);
  for (const address of ['198.51.100.1', '2001:db8::1', '8.8.8.8'])
    for (const purpose of ['knock', 'request'] as const) assert.ok(targets.permits(address, purpose), address);
});

test('networks of sites may be probed, and receive no other requests', () => {
  const targets = new EgressTargets(none, own);
  for (const address of ['10.1.2.3', '172.16.0.1', '192.168.1.77', 'fd12::1', '203.0.113.20']) {
    assert.ok(targets.permits(address, 'knock'), address);
    assert.equal(targets.permits(address, 'request'), false, address);
  }
});

test('an own address may be knocked at for a gateway that runs on this machine', () => {
  const targets = new EgressTargets(none, own);
  assert.ok(targets.permits('192.168.1.5', 'knock', true));
  assert.equal(targets.permits('127.0.0.1', 'knock', true), false);
  assert.equal(targets.permits('192.168.1.5', 'request', true), false);
});

test("the operator's lists: what is allowed is reached, what is denied is not, and that wins", () => {
  const targets = new EgressTargets({ allow: ['10.0.0.0/8', '127.0.0.1'], deny: ['10.9.0.0/16', '8.8.8.8'] }, own);
  for (const address of ['10.1.2.3', '127.0.0.1']) assert.ok(targets.permits(address, 'request'), address);
  for (const address of ['10.9.1.1', '8.8.8.8', '127.0.0.2', '::ffff:10.9.1.1', '::ffff:10.1.2.3'])
    assert.equal(targets.permits(address, 'request'), false, address);
  assert.equal(new EgressTargets({ allow: ['224.0.0.0/4'], deny: [] }, own).permits('224.0.0.1', 'knock'), false);
});

test('a name resolves to its first permitted address', async () => {
  const egress = new Egress(
    none,
    async () => ['127.0.0.1', '198.51.100.1', '198.51.100.2'],
    new EgressTargets(none, own),
  );
  const timeoutMs = 1000;
  assert.deepEqual(await egress.target('x.example', 'request', { timeoutMs }), {
    ok: true,
    address: '198.51.100.1',
    family: 4,
  });
  assert.deepEqual(await egress.target('', 'request', { timeoutMs }), {
    ok: false,
    reason: 'unresolved',
    code: 'no name',
  });
  assert.deepEqual(await egress.target('127.0.0.1', 'request', { timeoutMs }), { ok: false, reason: 'forbidden' });
});

test('a lookup ends although the name server never answers', async () => {
  const egress = new Egress(none, () => new Promise(() => {}));
  assert.deepEqual(await egress.target('x.example', 'knock', { timeoutMs: 1 }), {
    ok: false,
    reason: 'unresolved',
    code: 'timeout',
  });
});

async function serve(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const bounds = { timeoutMs: 10_000, maxBytes: 1000 };

test('a request goes to the address that was checked, with the name of the URL', async (t) => {
  const port = await serve(t, (request, answer) =>
    answer.end(`${request.method} ${request.headers.host} ${request.url}`),
  );
  let asked = 0;
  const egress = new Egress({ allow: ['127.0.0.1'], deny: [] }, async () =>
    asked++ === 0 ? ['127.0.0.1'] : ['192.0.2.1'],
  );
  const answer = await egressRequest(egress, { url: `http://hook.example:${port}/a?b`, ...bounds });
  assert.ok(answer.ok);
  assert.deepEqual([answer.status, String(answer.body), asked], [200, `GET hook.example:${port} /a?b`, 1]);
});

test('no redirect is followed', async (t) => {
  const paths: string[] = [];
  const port = await serve(t, ({ url = '' }, answer) => {
    paths.push(url);
    answer.writeHead(302, { location: '/secret' }).end();
  });
  const egress = new Egress({ allow: ['127.0.0.1'], deny: [] });
  const answer = await egressRequest(egress, { url: `http://127.0.0.1:${port}/`, ...bounds });
  assert.ok(answer.ok);
  assert.deepEqual([answer.status, answer.headers.location, paths], [302, '/secret', ['/']]);
});

test('forbidden targets get no connection, however the URL is written', async (t) => {
  const port = await serve(t, (_, answer) => {
    assert.fail('no request may come');
    answer.end();
  });
  const egress = new Egress(none);
  for (const host of ['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]', '[::1]', '0'])
    assert.deepEqual(
      await egressRequest(egress, { url: `http://${host}:${port}/`, ...bounds }),
      { ok: false, reason: 'forbidden' },
      host,
    );
  for (const url of ['file:///etc/passwd', 'ftp://x.example/', 'http://user:pass@x.example/', 'nothing', 'gopher://x/'])
    assert.deepEqual(await egressRequest(egress, { url, ...bounds }), { ok: false, reason: 'bad-url' }, url);
});

test('an answer that is too long, never comes or breaks off ends the request', async (t) => {
  const port = await serve(t, ({ url }, answer) => {
    if (url === '/long') answer.end('x'.repeat(1001));
    if (url === '/broken') answer.socket?.destroy();
  });
  const egress = new Egress({ allow: ['127.0.0.1'], deny: [] });
  const ask = (path: string, timeoutMs: number) =>
    egressRequest(egress, { url: `http://127.0.0.1:${port}${path}`, maxBytes: 1000, timeoutMs });
  assert.deepEqual(await ask('/long', 10_000), { ok: false, reason: 'too-large' });
  assert.deepEqual(await ask('/silent', 50), { ok: false, reason: 'timeout' });
  assert.deepEqual(await ask('/broken', 10_000), { ok: false, reason: 'unreachable' });
});
