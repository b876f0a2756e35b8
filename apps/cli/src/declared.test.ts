import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { merged } from './declared/order.ts';
import { type Cleanup, startApi } from './testing/api-server.ts';
import { declarations } from './testing/declarations.ts';
import { uuid } from './testing/fixtures.ts';
import { folder, sally } from './testing/run.ts';
import { TenantServer } from './testing/tenant-server.ts';

async function start(t: Cleanup) {
  const api = await startApi(t);
  const tenant = new TenantServer(api);
  const apply = (text: string, ...flags: string[]) => sally(api, ['apply', '-f', '-', ...flags], { stdin: text });
  const exported = async () => {
    const outcome = await sally(api, ['export']);
    assert.equal(outcome.code, 0, outcome.err);
    return outcome.out;
  };
  return { api, tenant, apply, exported };
}

const OFFICE = `
gateways:
  - name: berlin
    port: 51821
    intent: MAINTENANCE
    relay: true
protocols:
  - name: web
    ports: [TCP 80, UDP 5000-5100, icmp]
resources:
  - name: intranet
    addresses:
      - address: 10.0.0.5
        protocols: [https, web]
    mode: AUTOMATIC
    gateways: [berlin]
groups:
  - name: Engineering
    roles: [User]
    maxDevices: 7
users:
  - email: anna@example.com
    department: Engineering
    attributes: { level: 3, offices: [Zurich, Bern] }
    groups: [Engineering]
    roles: [Auditor]
  - email: ben@example.com
    active: false
rules:
  - name: Office hours
    timeZone: Europe/Zurich
    rule: |
      time.between('08:00', '18:00')
      && 'Engineering' in groups
policies:
  - name: staff
    action: allow
    rule: office hours
    groups: [Engineering]
    devices: [laptop]
    resources: all
  - name: no-lab
    action: deny
    users: [Anna@example.com]
    resources: [intranet]
`;

test('apply creates a tenant whose objects refer to each other, and a second run changes nothing', async (t) => {
  const { tenant, apply, exported } = await start(t);
  const first = await apply(OFFICE, '--yes');
  assert.equal(first.code, 0, first.err);
  assert.match(first.out, /\+ gateway berlin\n {4}port: 51821\n {4}intent/);
  assert.match(first.out, /addresses: \{address 10\.0\.0\.5, protocols HTTPS, web\}\n/);
  assert.match(first.out, /9 to create\.\n$/);
  assert.equal(first.err.match(/^Done: create /gm)?.length, 9);
  const [engineering] = tenant.groups.filter(({ body }) => body.name === 'Engineering');
  assert.deepEqual(
    tenant.users.map(({ body }) => [body.email, body.department, body.groups, body.roles, body.active]),
    [
      ['anna@example.com', 'Engineering', [engineering?.id], [uuid(963)], true],
      ['ben@example.com', undefined, [uuid(901)], [], false],
    ],
  );
  assert.deepEqual(tenant.gateways[0]?.body.intent, 'MAINTENANCE');
  assert.deepEqual(tenant.resources[0]?.body.gateways, [tenant.gateways[0]?.id]);
  assert.deepEqual(
    tenant.policies.map(({ body }) => [body.name, body.rule, body.users, body.devices, body.allResources]),
    [
      ['staff', tenant.rules[0]?.id, [], [uuid(951)], true],
      ['no-lab', uuid(971), [tenant.users[0]?.id], [], false],
    ],
  );
  assert.equal(tenant.rules[0]?.body.hasTimeConstraint, true);

  tenant.writes.length = 0;
  const second = await apply(OFFICE, '--yes', '--prune');
  assert.deepEqual([second.code, second.out, tenant.writes], [0, 'Nothing to do: the tenant matches the file.\n', []]);
  const text = await exported();
  assert.match(text, /^# The declared state/);
  assert.match(text, / {4}rule: \|-?\n {6}time\.between\('08:00', '18:00'\)\n {6}&& 'Engineering' in groups\n/);
  assert.doesNotMatch(text, /sgw_|token:|0000-4000/);
  assert.equal((await apply(text, '--dry-run', '--prune')).code, 0);
});

test('apply shows and writes only the removed entries of a list or policy', async (t) => {
  const { tenant, apply } = await start(t);
  await apply(OFFICE, '--yes');
  tenant.writes.length = 0;
  const edited = OFFICE.replace('maxDevices: 7', 'maxDevices: 9')
    .replace('    devices: [laptop]\n', '')
    .replace('groups: [Engineering]\n    roles: [Auditor]', 'groups: [Default Group]');
  const outcome = await apply(edited, '--yes');
  assert.equal(outcome.code, 0, outcome.err);
  assert.match(outcome.out, /~ group Engineering\n {4}maxDevices: 7 → 9\n/);
  assert.match(
    outcome.out,
    /~ user anna@example.com\n {4}groups:\n {6}- Engineering\n {6}\+ Default Group\n {4}roles:\n {6}- Auditor\n/,
  );
  assert.match(outcome.out, /~ policy staff\n {4}devices:\n {6}- laptop\n/);
  assert.deepEqual(tenant.writes, [
    'updateGroup',
    'addUserGroup',
    'removeUserGroup',
    'updateUserRoles',
    'updatePolicy',
  ]);
  assert.equal(tenant.users[0]?.body.department, 'Engineering');
});

test('apply keeps omitted objects; --prune deletes them, dependants first, and keeps built-in objects', async (t) => {
  const { tenant, apply } = await start(t);
  await apply(OFFICE, '--yes');
  tenant.writes.length = 0;
  assert.equal((await apply('groups: []\npolicies: []\n', '--yes')).code, 0);
  assert.deepEqual(tenant.writes, []);
  const all = 'gateways: []\nprotocols: []\nresources: []\ngroups: []\nusers: []\nrules: []\npolicies: []\n';
  const outcome = await apply(all, '--yes', '--prune');
  assert.equal(outcome.code, 0, outcome.err);
  assert.match(outcome.out, /- policy no-lab\n- policy staff\n- admission rule Office hours\n/);
  assert.deepEqual(
    [tenant.policies, tenant.users, tenant.gateways, tenant.groups.map(({ body }) => body.name)],
    [[], [], [], ['Default Group']],
  );
});

test('a file cannot refer to an object that --prune deletes', async (t) => {
  const { apply } = await start(t);
  await apply(OFFICE, '--yes');
  const outcome = await apply(
    'groups: []\nusers:\n  - email: anna@example.com\n    groups: [Engineering]\n',
    '--prune',
    '--yes',
  );
  assert.equal(outcome.code, 2);
  assert.match(
    outcome.err,
    /standard input:4: users\.groups: the group "Engineering" is not in the file, so --prune deletes it/,
  );
});

test('apply asks for confirmation on a terminal, and writes nothing without one', async (t) => {
  const { api, tenant } = await start(t);
  const file = join(await folder(t), 'tenant.yaml');
  await writeFile(file, OFFICE);
  const silent = await sally(api, ['apply', '-f', file]);
  assert.deepEqual([silent.code, /--yes/.test(silent.err), tenant.writes], [2, true, []]);
  const no = await sally(api, ['apply', '-f', file], { stdin: '\n', stdinTty: true });
  assert.deepEqual([no.code, /Carry out these 9 steps\? \[y\/N\]/.test(no.err), tenant.writes], [1, true, []]);
  const yes = await sally(api, ['apply', '-f', file], { stdin: 'y\n', stdinTty: true });
  assert.deepEqual([yes.code, tenant.policies.length], [0, 2]);
});

test('--dry-run writes nothing, and its exit code tells whether the tenant differs', async (t) => {
  const { tenant, apply } = await start(t);
  const differs = await apply(OFFICE, '--dry-run');
  assert.deepEqual([differs.code, tenant.writes], [7, []]);
  const { steps, applied } = JSON.parse((await apply(OFFICE, '--dry-run', '--json')).out);
  assert.deepEqual([steps.length, steps[0].action, applied], [9, 'create', false]);
  await apply(OFFICE, '--yes');
  assert.equal((await apply(OFFICE, '--dry-run')).code, 0);
  assert.equal((await apply(OFFICE, '--json')).code, 2, 'nothing is asked where a program reads');
});

test('the first failure stops apply and reports the completed steps, and the next run continues', async (t) => {
  const { tenant, apply } = await start(t);
  tenant.writesLeft = 7;
  const broken = await apply(OFFICE, '--yes');
  assert.equal(broken.code, 5);
  assert.match(
    broken.err,
    /Done: create group Engineering\n[\s\S]*Stopped at step 5 of 9: create user anna@example.com\nTitle of in_use\nno more\n4 steps were carried out earlier and stay\./,
  );
  tenant.writesLeft = Number.POSITIVE_INFINITY;
  const next = await apply(OFFICE, '--yes');
  assert.equal(next.code, 0, next.err);
  assert.equal((await apply(OFFICE, '--dry-run')).code, 0);
  assert.equal(tenant.users.length, 2);
});

test('apply does not overwrite an object that changed after the plan', async (t) => {
  const { api, tenant } = await start(t);
  const file = join(await folder(t), 'tenant.yaml');
  await writeFile(file, OFFICE);
  await sally(api, ['apply', '-f', file, '--yes']);
  await writeFile(file, OFFICE.replace('maxDevices: 7', 'maxDevices: 9'));
  const get = api.replies.get('getGroup');
  api.replies.set('getGroup', (seen) => {
    for (const { body } of tenant.groups) body.maxDevices = 1;
    return get?.(seen) ?? {};
  });
  const outcome = await sally(api, ['apply', '-f', file, '--yes']);
  assert.deepEqual([outcome.code, /changed since the plan was made/.test(outcome.err)], [5, true]);
  assert.ok(tenant.groups.every(({ body }) => body.maxDevices === 1));
});

test('files and apply tell objects of the same name apart by id', async (t) => {
  const { tenant, apply, exported } = await start(t);
  await apply(OFFICE, '--yes');
  tenant.groups.push({ id: uuid(905), body: { name: 'Engineering', roles: [], description: 'the other one' } });
  const ambiguous = await apply(OFFICE, '--dry-run');
  assert.equal(ambiguous.code, 2);
  assert.match(
    ambiguous.err,
    new RegExp(`:18: group "Engineering" is the name of 2 objects; choose one with id: .*${uuid(905)}`),
  );
  const reference = await apply('users:\n  - email: ben@example.com\n    groups: [Engineering]\n', '--dry-run');
  assert.match(reference.err, /:3: users\.groups: several objects are called "Engineering"; name the group by id/);
  const text = await exported();
  assert.match(text, new RegExp(`- id: ${uuid(905)}\n {4}name: Engineering`));
  assert.equal((await apply(text, '--dry-run', '--prune')).code, 0);
});

test('a wrong file is refused with every wrong line, before any read or write', async (t) => {
  const { api, tenant } = await start(t);
  const file = join(await folder(t), 'bad.yaml');
  const refused = async (text: string, ...lines: RegExp[]) => {
    await writeFile(file, text);
    const outcome = await sally(api, ['apply', '-f', file, '--yes']);
    assert.equal(outcome.code, 2, outcome.out);
    for (const line of lines) assert.match(outcome.err, line);
  };
  await refused(
    'gatways: []\ngateways:\n  - name: 5\n    prot: 1\n  - port: 51820\ngroups: {}\nusers:\n  - email: a@b.example\n    groups: admins\n    active: "yes"\n',
    /bad\.yaml:1: gatways is unknown\. Did you mean gateways\?/,
    /bad\.yaml:3: gateways\[1\]\.name must be text, not 5; quote it/,
    /bad\.yaml:4: gateways\[1\]\.prot is unknown\. Did you mean port\?/,
    /bad\.yaml:5: gateways\[2\] needs name/,
    /bad\.yaml:6: groups must be a list/,
    /bad\.yaml:9: users\[1\]\.groups must be a list, not "admins"/,
    /bad\.yaml:10: users\[1\]\.active must be true or false, not "yes"/,
  );
  await refused(
    'policies:\n  - name: x\n    action: permit\n    users: some\n',
    /:3: .*one of allow, deny/,
    /:4: .*all or a list/,
  );
  await refused(
    'resources:\n  - name: x\n    addresses:\n      - address: 10.0.0.1\n        protocols: [SSH]\n        port: 1\n',
    /:6: resources\[1\]\.addresses\[1\]\.port is unknown/,
  );
  await refused('protocols:\n  - name: x\n    ports: [TCP]\n', /:3: .*ports\[1\] must look like TCP 443/);
  await refused('groups: [\n', /bad\.yaml:[12]: /);
  await refused('groups: []\ngroups: []\n', /:2: .*unique/);
  await refused('- 1\n', /:1: the file must be a map/);
  await refused('version: 2\n', /:1: version must be 1/);
  assert.deepEqual(api.seen, []);
  await refused('groups:\n  - name: a\n  - name: a\n', /:3: group "a" is described twice; the first time in line 2/);
  await refused('policies:\n  - name: x\n    action: allow\n    groups: [Nobody]\n', /:4: .*no group called "Nobody"/);
  await refused(`groups:\n  - name: x\n    id: ${uuid(77)}\n`, /:2: .*does not exist in this tenant/);
  await refused('gateways:\n  - name: ok\n    port: 99999\n', /:2: gateway "ok": port must be a port number/);
  await refused('protocols:\n  - name: HTTPS\n    ports: [TCP 8443]\n', /:3: protocol "HTTPS": ports cannot change/);
  assert.deepEqual(tenant.writes, []);
});

test('export writes a file that only its owner can read, and replaces a file only with --force', async (t) => {
  const { api, exported } = await start(t);
  const file = join(await folder(t), 'tenant.yaml');
  assert.equal((await sally(api, ['export', '-f', file])).code, 0);
  assert.equal(await readFile(file, 'utf8'), await exported());
  assert.equal((await sally(api, ['export', '-f', file])).code, 5);
  assert.equal((await sally(api, ['export', '-f', file, '--force'])).code, 0);
});

test('apply and export round-trip for any tenant, and the last applied file decides the state', async () => {
  const cleanups: (() => unknown)[] = [];
  const t: Cleanup = { after: (work: () => unknown) => void cleanups.push(work) };
  try {
    await fc.assert(
      fc.asyncProperty(declarations, declarations, async (a, b) => {
        const [one, other] = [await start(t), await start(t)];
        const say = async (at: typeof one, text: string) => {
          const outcome = await at.apply(text, '--yes', '--prune');
          assert.equal(outcome.code, 0, `${text}\n${outcome.err}`);
          at.tenant.writes.length = 0;
          assert.deepEqual([(await at.apply(text, '--yes', '--prune')).code, at.tenant.writes], [0, []], text);
        };
        await say(one, stringify(a));
        const exported = await one.exported();
        await say(other, exported);
        assert.equal(await other.exported(), exported);
        await say(other, stringify(b));
        await say(one, stringify(b));
        assert.equal(await one.exported(), await other.exported());
      }),
      { numRuns: 25 },
    );
  } finally {
    for (const work of cleanups) await work();
  }
});

test('merged order keeps the file’s order and other policies’ positions, and puts new ones after their predecessor', () => {
  const order = (present: string, wanted: string) => merged([...present], [...wanted]).join('');
  assert.equal(order('axbyc', 'cba'), 'cxbya');
  assert.equal(order('axb', 'anb'), 'anxb');
  assert.equal(order('xab', 'nab'), 'xnab');
  assert.equal(order('xy', 'nm'), 'xynm');
  assert.equal(order('', 'ab'), 'ab');
  const letters = fc.uniqueArray(fc.constantFrom(...'abcdefgh'));
  fc.assert(
    fc.property(letters, letters, (present, wanted) => {
      const result = merged(present, wanted);
      const rest = (all: string[]) => all.filter((key) => !wanted.includes(key));
      assert.deepEqual(
        result.filter((key) => wanted.includes(key)),
        wanted,
      );
      assert.deepEqual(rest(result), rest(present));
      assert.deepEqual(merged(result, wanted), result);
    }),
  );
});
