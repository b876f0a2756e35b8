import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import type { OperationName } from '@sallyport/contract';
import { API_KEY, type ApiServer, problem, startApi } from './testing/api-server.ts';
import { apiKey, device, gateway, page, policy, uuid } from './testing/fixtures.ts';
import { folder, sally, spawnSally } from './testing/run.ts';

const refuse = (api: ApiServer, name: OperationName, status: number, code: string, more?: object) =>
  api.replies.set(name, () => problem(status, code, more));

test('a problem prints title, detail, each wrong field and a hint, and exits with code 2', async (t) => {
  const api = await startApi(t);
  refuse(api, 'createGateway', 400, 'invalid_request', {
    detail: 'Two fields are wrong.',
    errors: [
      { pointer: '/wireguardPort', message: 'must be a port' },
      { pointer: '/name', message: 'too\u001b[31m long' },
    ],
  });
  const outcome = await spawnSally(api, ['gateways', 'create', 'x'], await folder(t));
  assert.equal(outcome.code, 2);
  assert.equal(outcome.out, '');
  assert.equal(
    outcome.err,
    'sally: Title of invalid_request\nTwo fields are wrong.\n  --port 51820: must be a port\n  <name> x: too [31m long\n',
  );
});

test('the contract refuses a wrong port field by field', async (t) => {
  const outcome = await sally(await startApi(t), ['gateways', 'create', 'x', '--port', '65536']);
  assert.equal(outcome.code, 2);
  assert.match(outcome.err, /--port 65536: must be a port number, 1 to 65535\n/);
});

const statuses: readonly [number, string, number, RegExp][] = [
  [401, 'unauthenticated', 4, /sally login/],
  [403, 'forbidden', 4, /higher role/],
  [404, 'not_found', 3, /Title of not_found/],
  [404, 'route_not_found', 1, /--base-path/],
  [409, 'in_use', 5, /first/],
  [412, 'precondition_failed', 5, /changed the object/],
  [422, 'idempotency_key_reused', 2, /Title/],
  [429, 'rate_limited', 1, /Wait/],
  [500, 'internal', 1, /log/],
  [503, 'unavailable', 6, /Wait/],
];
for (const [status, code, exit, text] of statuses)
  test(`${status} ${code} exits with code ${exit}`, async (t) => {
    const api = await startApi(t);
    refuse(api, 'deleteGateway', status, code);
    const outcome = await sally(api, ['gateways', 'delete', uuid(11)]);
    assert.equal(outcome.code, exit);
    assert.match(outcome.err, text);
  });

test('with --json a failure prints the problem document', async (t) => {
  const api = await startApi(t);
  refuse(api, 'deleteGateway', 409, 'in_use', { detail: 'x' });
  const { err } = await sally(api, ['gateways', 'delete', uuid(11), '--json']);
  assert.deepEqual(JSON.parse(err), problem(409, 'in_use', { detail: 'x' }).body);
  const own = await sally(api, ['gateways', 'get', 'nowhere', '--json']);
  assert.deepEqual([own.code, JSON.parse(own.err).exitCode], [3, 3]);
});

test('an answer of another server is not accepted as a controller’s', async (t) => {
  const api = await startApi(t);
  api.replies.set('deleteGateway', () => ({ status: 302, headers: { location: 'https://elsewhere.example/' } }));
  const moved = await sally(api, ['gateways', 'delete', uuid(11)]);
  assert.equal(moved.code, 1);
  assert.match(moved.err, /HTTP 302 to https:\/\/elsewhere\.example\//);
  assert.equal(api.seen.length, 1);
  api.replies.set('deleteGateway', () => ({ status: 502, body: 'Bad Gateway' }));
  assert.equal((await sally(api, ['gateways', 'delete', uuid(11)])).code, 6);
});

test('an unreachable controller exits with code 6 and a hint', async (t) => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port } = closed.address() as { port: number };
  await new Promise((resolve) => closed.close(resolve));
  const env = { SALLYPORT_URL: `http://127.0.0.1:${port}`, SALLYPORT_API_KEY: API_KEY };
  const outcome = await spawnSally(undefined, ['gateways', 'list'], await folder(t), { env });
  assert.equal(outcome.code, 6);
  assert.match(outcome.err, new RegExp(`127.0.0.1:${port}: nothing listens there\\nHint: .*npm start`));
});

test('wrong usage exits with code 2', async (t) => {
  const api = await startApi(t);
  const lines: [string[], RegExp][] = [
    [[], /Usage: sally/],
    [['gatways', 'list'], /Did you mean gateways/],
    [['gateways', 'get'], /Missing required argument/],
    [['gateways', 'list', '--nope'], /Unknown option/],
    [['gateways', 'update', 'berlin'], /No change is named/],
    [['gateways', 'run'], /separate program/],
    [['policies', 'create', 'x'], /--allow or --deny/],
    [['policies', 'create', 'x', '--allow', '--deny'], /both/],
    [['users', 'update', 'anna@example.com'], /No change is named/],
    [['users', 'update', 'anna@example.com', '--attribute', 'a b=c'], /KEY=VALUE/],
    [['users', 'update', 'anna@example.com', '--max-devices', 'many'], /whole number/],
    [['users', 'roles', 'list', 'anna@example.com', '--own', '--inherited'], /cannot be combined/],
    [['groups', 'update', 'Engineering'], /No change is named/],
    [['rules', 'create', 'x'], /--rule TEXT or --file/],
    [['rules', 'create', 'x', '--rule', 'a', '--file', 'b'], /cannot be combined/],
    [['rules', 'create', 'x', '--file', '/nowhere/at/all'], /no file/],
    [['devices', 'update', 'anna'], /No change is named/],
    [['access', 'explain', '10.0.0.5:443'], /device or --user/],
    [['access', 'explain', 'anna', '10.0.0.5:443', '--user', 'anna@example.com'], /device or --user/],
    [['access', 'explain', 'anna', '10.0.0.5', '--protocol', 'udp'], /UDP needs a port/],
    [['access', 'explain', 'anna', '10.0.0.5:22', '--protocol', 'icmp'], /ICMP has no port/],
    [['access', 'explain', 'anna', '10.0.0.5:22', '--at', 'noon'], /Not a time/],
    [['audit', 'list', '--from', 'long ago'], /a time or a span/],
    [['settings', 'set'], /No change is named/],
    [['settings', 'set', '--lease', 'long'], /Not a span/],
    [['policies', 'move', 'staff'], /Exactly one position/],
    [['resources', 'create', 'x'], /needs an address/],
    [['resources', 'create', 'x', '--address', '10.0.0.1'], /no protocol/],
    [['resources', 'create', 'x', '--type', 'public'], /PRIVATE, SAAS, INTERNET/],
    [['resources', 'order', 'intranet', 'paris'], /order misses berlin/],
    [['resources', 'order', 'intranet', 'paris', 'paris', 'berlin'], /twice/],
    [['protocols', 'create', 'x'], /--tcp/],
    [['keys', 'create', 'x', '--expires', 'soon'], /Not a time/],
    [['keys', 'create', 'x', '--expires', '2020-01-01T00:00:00Z'], /past/],
    [['completion', 'tcsh'], /bash, zsh, fish/],
    [['--url', 'ftp://x', 'gateways', 'list'], /Not an address/],
    [['--url', 'http://user:pw@x', 'gateways', 'list'], /no user, password/],
  ];
  for (const [args, text] of lines) {
    const outcome = await sally(api, args);
    assert.equal(outcome.code, 2, args.join(' '));
    assert.match(outcome.err, text);
  }
  assert.deepEqual(
    api.seen.filter(({ method }) => method !== 'GET'),
    [],
  );
});

test('help exits with code 0', async (t) => {
  const families = ['gateways', 'users', 'groups', 'roles', 'rules', 'access', 'audit', 'changes', 'settings', 'apply'];
  const lines = [
    ['--help'],
    ['device', 'add', '--help'],
    ['users', 'roles', '--help'],
    ...families.map((f) => [f, '--help']),
  ];
  for (const args of lines) {
    const outcome =
      args[0] === '--help' ? await spawnSally(undefined, args, await folder(t)) : await sally(undefined, args);
    assert.deepEqual([outcome.code, outcome.err], [0, '']);
    assert.match(outcome.out, /^Usage: sally/);
  }
  assert.match(
    (await sally(undefined, ['--help'])).out,
    /\n {2}7 {2}apply --dry-run: the tenant differs from the file/,
  );
  const version = await spawnSally(undefined, ['--version'], await folder(t));
  assert.match(version.out, /^[0-9]+\.[0-9]+\.[0-9]+\n$/);
});

test('an ambiguous name is refused with all candidates', async (t) => {
  const api = await startApi(t);
  api.replies.set('listDevices', () => ({ body: page([device(51, 'anna'), device(52, 'anna'), device(53, 'bob')]) }));
  const outcome = await sally(api, ['devices', 'delete', 'anna']);
  assert.equal(outcome.code, 2);
  assert.match(outcome.err, /2 objects are called "anna"/);
  assert.ok(outcome.err.includes(uuid(51)) && outcome.err.includes(uuid(52)) && !outcome.err.includes(uuid(53)));
  assert.deepEqual(
    api.seen.map(({ operation }) => operation),
    ['listDevices', 'listUsers'],
  );
  assert.equal((await sally(api, ['devices', 'delete', uuid(52)])).code, 0);
  assert.equal(api.seen.at(-1)?.url, `/tenants/devices/${uuid(52)}`);
});

test('an unknown name suggests similar names', async (t) => {
  const api = await startApi(t);
  api.replies.set('listGateways', () => ({ body: [gateway(11, 'Berlin East'), gateway(12, 'paris')] }));
  const outcome = await sally(api, ['gateways', 'get', 'berlin']);
  assert.equal(outcome.code, 3);
  assert.match(
    outcome.err,
    /no gateway called "berlin"\nHint: Did you mean 'Berlin East'\? List all with: sally gateways list/,
  );
});

test('names are found on later pages too', async (t) => {
  const api = await startApi(t);
  const all = Array.from({ length: 230 }, (_, n) => device(1000 + n, `d${n}`));
  api.replies.set('listDevices', ({ url }) => {
    const query = new URL(url, api.url).searchParams;
    const [limit, offset] = [Number(query.get('limit')), Number(query.get('offset'))];
    const data = all.slice(offset, offset + limit);
    const hasNext = offset + limit < all.length;
    return { body: { data, total: all.length, page: offset / limit, limit, hasNext, hasPrevious: offset > 0 } };
  });
  await sally(api, ['devices', 'deactivate', 'd229']);
  assert.equal(api.seen.at(-1)?.url, `/tenants/devices/${uuid(1229)}/deactivate`);
  const whole = JSON.parse((await sally(api, ['devices', 'list', '--json'])).out);
  assert.deepEqual([whole.data, whole.total, whole.hasNext], [all, 230, false]);
  const part = JSON.parse((await sally(api, ['devices', 'list', '--json', '--limit', '7'])).out);
  assert.deepEqual([part.data.length, part.total, part.hasNext], [7, 230, true]);
});

test('policies and keys resolve by name like other objects', async (t) => {
  const api = await startApi(t);
  api.replies.set('listPolicies', () => ({ body: [policy(61, 'a', 1), policy(62, 'a', 2)] }));
  api.replies.set('listApiKeys', () => ({ body: [apiKey(81, 'ci'), apiKey(82, 'ci')] }));
  assert.match((await sally(api, ['policies', 'delete', 'a'])).err, /PRIVATE 1[\s\S]*PRIVATE 2/);
  assert.match((await sally(api, ['keys', 'delete', 'ci'])).err, /sk_abc/);
});
