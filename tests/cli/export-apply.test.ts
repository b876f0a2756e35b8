import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startController } from './real-tenant.ts';

/** A tenant with a non-default value in every field of a file. */
const RICH = `
settings:
  timeZone: Europe/Zurich
  leaseSeconds: 7200
  drainSeconds: 60
  auditRetentionDays: 30
signIn:
  secondFactor: REQUIRED
  idleMinutes: 60
  absoluteHours: 24
gateways:
  - name: berlin
    description: main site
    port: 51999
    endpoint: vpn.example.com:51999
    masquerade: false
    intent: MAINTENANCE
    relay: true
    relayPorts: 53000-53999
  - name: paris
protocols:
  - name: web
    ports: [TCP 80, UDP 5000-5100, ICMP]
resources:
  - name: intranet
    description: the intranet
    addresses:
      - address: 10.0.0.5
        protocols: [HTTPS, web]
      - address: fd00::/64
        protocols: [web]
    mode: AUTOMATIC
    gateways: [paris, berlin]
  - name: cloud
    type: SAAS
    addresses:
      - address: app.example.com
        protocols: [HTTPS]
groups:
  - name: Engineering
    description: who builds
    roles: [User]
    maxDevices: 7
    isSamlDefaultGroup: true
    idpMapping: [eng]
providers:
  - name: Acme SSO
    label: Acme
    issuer: https://id.example.com/realms/acme
    clientId: sallyport
    scopes: [openid, email]
    groupsClaim: groups
    groupMapping:
      - value: eng
        group: Engineering
    emailDomains: [example.com]
    requiredGroup: vpn
    provisioning: true
    assuresSecondFactor: true
    requireAuthTime: false
    position: 2
    enabled: false
users:
  - email: anna@example.com
    groups: [Engineering]
    roles: [Auditor]
    firstName: Anna
    lastName: Muster
    image: /anna.png
    department: Lab
    attributes: { level: 3, offices: [Zurich, Bern], admin: true, note: x }
    maxDevices: 2
  - email: ben@example.com
    active: false
rules:
  - name: Office hours
    timeZone: Europe/Zurich
    hasTimeConstraint: true
    rule: |
      time.between('08:00', '18:00')
      && 'Engineering' in groups
policies:
  - name: staff
    description: by day
    action: allow
    rule: Office hours
    groups: [Engineering]
    resources: [intranet]
  - name: no-lab
    action: deny
    users: [anna@example.com]
    resources: all
  - name: cloud
    type: SAAS
    action: allow
    groups: all
    resources: [cloud]
  - name: sites
    type: SITETOSITE
    action: allow
    resources: [intranet]
    sourceIps: [192.0.2.0/24]
    gateways: [berlin]
  - name: out
    type: INTERNET
    action: allow
    mode: INTERNET_ACCESS_POINT
    groups: all
    gateways: [paris]
`;

/** Ids, times and counters, which differ between two tenants. */
const OWN = /^(id|createdAt|updatedAt|token|revision|publicKey|name|redirectUri|logoutUri)$/;

function withoutOwn(value: unknown, keepName = true): unknown {
  if (Array.isArray(value)) return value.map((entry) => withoutOwn(entry));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => !OWN.test(key) || (key === 'name' && keepName));
  return Object.fromEntries(entries.map(([key, entry]) => [key, withoutOwn(entry)]));
}

const LISTS = ['gateways', 'resources', 'protocols', 'groups', 'providers', 'users', 'rules', 'policies'];

test('a tenant round-trips through a file into an empty tenant', async (t) => {
  const controller = await startController(t);
  const { first } = controller;
  const applied = await first.run(['apply', '-f', '-', '--yes'], { stdin: RICH });
  assert.equal(applied.code, 0, applied.err);
  const exported = await first.ok('export');

  const second = await controller.tenant('second');
  const copied = await second.run(['apply', '-f', '-', '--yes'], { stdin: exported });
  assert.equal(copied.code, 0, copied.err);
  assert.equal(await second.ok('export'), exported);
  const again = await second.run(['apply', '-f', '-', '--dry-run', '--prune'], { stdin: exported });
  assert.deepEqual([again.code, again.out], [0, 'Nothing to do: the tenant matches the file.\nNothing was written.\n']);

  const read = async (tenant: typeof first, ...args: string[]) => JSON.parse(await tenant.ok(...args, '--json'));
  for (const list of LISTS) {
    const sorted = (body: unknown) =>
      JSON.stringify(
        [withoutOwn((body as { data?: unknown }).data ?? body)]
          .flat()
          .map((one) => JSON.stringify(one))
          .sort(),
      );
    assert.equal(sorted(await read(second, list, 'list')), sorted(await read(first, list, 'list')), list);
  }
  assert.deepEqual(
    withoutOwn(await read(second, 'settings', 'get'), false),
    withoutOwn(await read(first, 'settings', 'get'), false),
  );
});

test('host names of a file are those of the tenant in whatever form they are written', async (t) => {
  const { first } = await startController(t);
  const file = `
gateways: [{ name: berlin }]
resources:
  - name: corp
    addresses:
      - { address: Wiki.Corp.Example., protocols: [HTTPS] }
      - { address: '*.B\u00fccher.example', protocols: [HTTPS] }
      - { address: '**.LAB.example', protocols: [HTTPS] }
    gateways: [berlin]
`;
  const applied = await first.run(['apply', '-f', '-', '--yes'], { stdin: file });
  assert.equal(applied.code, 0, applied.err);
  const unchanged = 'Nothing to do: the tenant matches the file.\nNothing was written.\n';
  const again = async (stdin: string) => (await first.run(['apply', '-f', '-', '--dry-run'], { stdin })).out;
  assert.equal(await again(file), unchanged);
  const exported = await first.ok('export');
  assert.equal(await again(exported), unchanged);
  for (const name of ['wiki.corp.example', '*.xn--bcher-kva.example', '**.lab.example'])
    assert.ok(exported.includes(name), name);
  assert.doesNotMatch(exported, /100\.96\.|ffff::/, 'addresses of names are those of one tenant');
});

test('a dry run detects a change of a setting or of relay ports, and apply reverts it', async (t) => {
  const { first } = await startController(t);
  await first.run(['apply', '-f', '-', '--yes'], { stdin: RICH });
  const exported = await first.ok('export', '--json');
  for (const change of [
    ['settings', 'set', '--time-zone', 'UTC'],
    ['settings', 'set', '--lease', '1h'],
    ['settings', 'set', '--drain', '5m'],
    ['settings', 'set', '--audit-retention', 'forever'],
    ['gateways', 'update', 'berlin', '--relay-ports', '54000-54999'],
  ]) {
    await first.ok(...change);
    const seen = await first.run(['apply', '-f', '-', '--dry-run'], { stdin: exported });
    assert.equal(seen.code, 7, `${change.join(' ')}: ${seen.out}${seen.err}`);
    assert.match(seen.out, /1 to update/);
    const back = await first.run(['apply', '-f', '-', '--yes'], { stdin: exported });
    assert.equal(back.code, 0, back.err);
    assert.equal(await first.ok('export', '--json'), exported);
  }
});

test('applying a file to another tenant renames it only if the file has a name', async (t) => {
  const controller = await startController(t);
  const second = await controller.tenant('second');
  const copied = await second.run(['apply', '-f', '-', '--yes'], { stdin: await controller.first.ok('export') });
  assert.equal(copied.code, 0, copied.err);
  assert.match(await second.ok('settings', 'get'), /^Name +second\n/);
  await second.run(['apply', '-f', '-', '--yes'], { stdin: 'settings: { name: third }' });
  assert.match(await second.ok('settings', 'get'), /^Name +third\n/);
});

test('a wrong setting is refused with its line', async (t) => {
  const { first } = await startController(t);
  const wrong = await first.run(['apply', '-f', '-', '--yes'], {
    stdin: 'settings:\n  leaseSeconds: 1d\n  auditRetentionDays: never\n  lease: 3\n',
  });
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /standard input:2: settings\.leaseSeconds must be a whole number/);
  assert.match(wrong.err, /standard input:3: settings\.auditRetentionDays must be a whole number of days, or forever/);
  assert.match(wrong.err, /standard input:4: settings\.lease is unknown/);
});

test('a file names client secrets, and neither plan nor export shows one', async (t) => {
  const { first } = await startController(t);
  const file = `
providers:
  - name: Acme SSO
    issuer: https://id.example.com
    clientId: sallyport
    clientSecret: env:ACME_SECRET
`;
  const without = await first.run(['apply', '-f', '-', '--yes'], { stdin: file });
  assert.equal(without.code, 1);
  assert.match(without.err, /client secret of env:ACME_SECRET cannot be read/);
  const env = { ACME_SECRET: 'never-shown' };
  const applied = await first.run(['apply', '-f', '-', '--yes', '--json'], { stdin: file, env });
  assert.equal(applied.code, 0, applied.err);
  assert.match(applied.out, /env:ACME_SECRET/);
  const [provider] = JSON.parse(await first.ok('providers', 'list', '--json'));
  assert.equal(provider.hasClientSecret, true);
  const again = await first.run(['apply', '-f', '-', '--dry-run'], { stdin: file });
  assert.equal(again.code, 0, again.err);
  const exported = await first.ok('export');
  for (const text of [applied.out, applied.err, exported]) assert.ok(!text.includes('never-shown'));
  const wrong = await first.run(['apply', '-f', '-'], { stdin: file.replace('env:ACME_SECRET', 'the secret itself') });
  assert.match(wrong.err, /must be env:NAME or file:PATH/);
});
