import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startController } from './real-tenant.ts';

const key = (n: number) => Buffer.alloc(32, n).toString('base64');

async function tenant(t: Parameters<typeof startController>[0]) {
  const { first } = await startController(t);
  await first.ok('gateways', 'create', 'berlin');
  await first.ok('protocols', 'create', 'web', '--tcp', '80', '--tcp', '8000-8100', '--udp', '53');
  const wiki = ['--address', '10.0.0.5=HTTPS', '--address', '10.1.0.0/24=web', '--gateway', 'berlin'];
  await first.ok('resources', 'create', 'Wiki', ...wiki);
  await first.ok('devices', 'add', 'laptop', '--public-key', key(1));
  await first.ok('policies', 'create', 'all', '--allow', '--all-devices', '--resource', 'Wiki');
  return first;
}

test('access explain of a resource checks each address on each of its ports', async (t) => {
  const first = await tenant(t);
  const out = await first.ok('access', 'explain', 'laptop', 'Wiki');
  const asked = [...out.matchAll(/laptop → (\S+ \S+ \d+): allowed/g)].map(([, target]) => target);
  assert.deepEqual(asked, ['10.0.0.5 TCP 443', '10.1.0.0 TCP 80', '10.1.0.0 TCP 8000', '10.1.0.0 UDP 53']);
  const udp = await first.ok('access', 'explain', 'laptop', 'Wiki', '--protocol', 'udp');
  assert.match(udp, /^. laptop → 10\.1\.0\.0 UDP 53: allowed/);
  const json = JSON.parse(await first.ok('access', 'explain', 'laptop', 'Wiki', '--json'));
  assert.equal(json.answers.length, 4);
  const wrong = await first.run(['access', 'explain', 'laptop', 'Wiky']);
  assert.match(wrong.err, /no resource called "Wiky"\nHint: Did you mean Wiki\?/);
});

test('explain names a wrong port of a covered address, and an address that no resource covers', async (t) => {
  const first = await tenant(t);
  const reason = async (destination: string) => first.ok('access', 'explain', 'laptop', destination);
  assert.match(await reason('10.0.0.5:444'), /denied; a resource covers this address, but not TCP port 444\n/);
  assert.match(await reason('Wiki:444'), /10\.0\.0\.5 TCP 444: denied; a resource covers this address, but not TCP/);
  assert.match(await reason('10.0.0.5'), /denied; a resource covers this address, but not ICMP\n/);
  assert.match(await reason('10.9.0.5:443'), /denied; no resource covers this destination\n/);
});

test('candidates of one name are listed with their owners', async (t) => {
  const first = await tenant(t);
  await first.ok('users', 'invite', 'anna@example.com');
  await first.ok('devices', 'add', 'laptop', '--public-key', key(2), '--owner', 'anna@example.com');
  const { code, err } = await first.run(['access', 'explain', 'laptop', 'Wiki']);
  assert.equal(code, 2);
  assert.match(err, /2 objects are called "laptop":/);
  assert.match(err, /laptop {2}\(no owner, /);
  assert.match(err, /laptop {2}\(owner anna@example\.com, /);
});
