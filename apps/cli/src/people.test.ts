import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pointAt } from './rule-text.ts';
import { type ApiServer, problem, startApi } from './testing/api-server.ts';
import { device, group, page, role, rule, user, uuid } from './testing/fixtures.ts';
import { folder, sally } from './testing/run.ts';

const lastWrite = (api: ApiServer) => api.seen.filter(({ method }) => method !== 'GET').at(-1);

test('invite sends one e-mail address as one user, several as a list, with groups by name', async (t) => {
  const api = await startApi(t);
  await sally(api, ['users', 'invite', 'ben@example.com', '--group', 'Engineering']);
  assert.deepEqual(lastWrite(api)?.body, { email: 'ben@example.com', groups: [uuid(101)] });
  api.replies.set('createUsers', () => ({
    status: 201,
    body: [user(112, 'ben@example.com'), user(113, 'c@example.com')],
  }));
  const outcome = await sally(api, ['users', 'create', 'ben@example.com', 'c@example.com']);
  assert.deepEqual(lastWrite(api)?.body, [
    { email: 'ben@example.com', groups: [] },
    { email: 'c@example.com', groups: [] },
  ]);
  assert.match(outcome.out, /^EMAIL[\s\S]*ben@example\.com[\s\S]*c@example\.com/);
  assert.equal((await sally(api, ['users', 'invite', 'not-an-address'])).code, 2);
});

test('an update of a user keeps unnamed fields and sends If-Match', async (t) => {
  const api = await startApi(t);
  const attributes = ['--attribute', 'level=', '--attribute', 'tags=["a","b"]', '--attribute', 'floor=2'];
  await sally(api, ['users', 'update', 'anna@example.com', '--department', 'Lab', ...attributes, '--max-devices', '3']);
  assert.deepEqual(lastWrite(api)?.body, {
    firstName: 'Kept',
    department: 'Lab',
    attributes: { office: 'Zurich', tags: ['a', 'b'], floor: 2 },
    maxDevices: 3,
  });
  assert.equal(lastWrite(api)?.headers['if-match'], '"7"');
  await sally(api, ['users', 'update', 'anna@example.com', '--first-name', '', '--max-devices', '']);
  assert.deepEqual(lastWrite(api)?.body, {
    firstName: null,
    attributes: { level: 3, office: 'Zurich' },
    maxDevices: null,
  });
});

test('roles and groups are added and removed by name', async (t) => {
  const api = await startApi(t);
  await sally(api, ['users', 'roles', 'remove', 'anna@example.com', 'Admin', 'auditor']);
  assert.deepEqual(lastWrite(api)?.body, { addedRoles: [], removedRoles: [uuid(91), uuid(93)] });
  await sally(api, ['users', 'groups', 'remove', 'anna@example.com', 'Engineering']);
  assert.equal(lastWrite(api)?.url, `/tenants/users/${uuid(111)}/groups/${uuid(101)}`);
  await sally(api, ['users', 'roles', 'list', 'anna@example.com', '--inherited']);
  assert.ok(api.seen.at(-1)?.url.endsWith('?groupsOnly=true'));
});

test('an update of a group keeps unnamed fields', async (t) => {
  const api = await startApi(t);
  await sally(api, ['groups', 'update', 'Engineering', '--role', 'admin', '--idp-group', '']);
  assert.deepEqual(lastWrite(api)?.body, {
    ...{ name: 'Engineering', description: 'Kept', roles: [uuid(91)], maxDevices: 5 },
    ...{ isSamlDefaultGroup: false, idpMapping: [] },
  });
});

test('ambiguous users, groups and roles are refused with all candidates', async (t) => {
  const api = await startApi(t);
  api.replies.set('listUsers', () => ({ body: page([user(111, 'anna@example.com'), user(112, 'Anna@example.com')]) }));
  api.replies.set('listGroups', () => ({ body: page([group(101, 'x'), group(102, 'x')]) }));
  api.replies.set('listRoles', () => ({ body: [role(91, 'Admin', 'ADMIN'), role(94, 'admin', 'ADMIN')] }));
  for (const [args, ids] of [
    [
      ['users', 'delete', 'ANNA@example.com'],
      [uuid(111), uuid(112)],
    ],
    [
      ['groups', 'delete', 'x'],
      [uuid(101), uuid(102)],
    ],
    [
      ['roles', 'get', 'ADMIN'],
      [uuid(91), uuid(94)],
    ],
  ] as const) {
    const outcome = await sally(api, [...args]);
    assert.equal(outcome.code, 2);
    for (const id of ids) assert.ok(outcome.err.includes(id), outcome.err);
  }
  assert.equal(lastWrite(api), undefined);
});

test('an update of a device sets owner, name and facts, and keeps unnamed facts', async (t) => {
  const api = await startApi(t);
  const posture = { os: 'linux', diskEncrypted: true, nested: { not: 'ours' } };
  api.replies.set('getDevice', () => ({ body: { ...device(51, 'anna'), posture } }));
  const facts = ['--posture', 'os=', '--posture', 'patch=12', '--posture', 'av=false'];
  await sally(api, ['devices', 'update', 'anna', '--owner', 'anna@example.com', ...facts]);
  assert.deepEqual(lastWrite(api)?.body, {
    name: 'anna',
    user: uuid(111),
    posture: { diskEncrypted: true, patch: 12, av: false },
  });
  await sally(api, ['devices', 'update', 'anna', '--owner', '', '--name', 'spare']);
  assert.deepEqual(lastWrite(api)?.body, { name: 'spare', user: null });
  await sally(api, ['device', 'add', 'phone', '--owner', 'anna@example.com', '--out', '-']);
  assert.match(lastWrite(api)?.text ?? '', new RegExp(`"user":"${uuid(111)}"`));
  const unknown = await sally(api, ['device', 'add', 'phone', '--owner', 'nobody@example.com', '--out', '-']);
  assert.equal(unknown.code, 3);
});

test('policies of every type take users and groups by name, source addresses, gateways, rule and mode', async (t) => {
  const api = await startApi(t);
  const create = async (...args: string[]) => {
    const outcome = await sally(api, ['policies', 'create', 'x', '--allow', ...args]);
    assert.equal(outcome.code, 0, outcome.err);
    return lastWrite(api)?.body;
  };
  assert.deepEqual(await create('--user', 'anna@example.com', '--group', 'Engineering', '--rule', 'office hours'), {
    ...{ name: 'x', type: 'PRIVATE', action: true },
    ...{ users: [uuid(111)], groups: [uuid(101)], rule: uuid(72) },
  });
  assert.deepEqual(
    await create('--type', 'sitetosite', '--source', '10.9.0.0/16', '--gateway', 'paris', '--resource', 'intranet'),
    {
      ...{ name: 'x', type: 'SITETOSITE', action: true },
      ...{ resources: [uuid(41)], gateways: [uuid(12)], sourceIps: ['10.9.0.0/16'] },
    },
  );
  assert.deepEqual(
    await create('--type', 'internet', '--all-users', '--mode', 'internet_access_point', '--gateway', 'berlin'),
    {
      ...{ name: 'x', type: 'INTERNET', action: true, mode: 'INTERNET_ACCESS_POINT' },
      ...{ allUsers: true, gateways: [uuid(11)] },
    },
  );
  assert.equal((await sally(api, ['policies', 'create', 'x', '--allow', '--group', 'Nobody'])).code, 3);
});

test('a rule’s text comes from an option, a file or standard input', async (t) => {
  const api = await startApi(t);
  const file = join(await folder(t), 'rule.cel');
  await writeFile(file, "posture.os == 'linux'\n  && time.hour > 8\n");
  await sally(api, ['rules', 'create', 'x', '--file', file, '--time-zone', 'Europe/Zurich']);
  assert.deepEqual(lastWrite(api)?.body, {
    ...{ name: 'x', rule: "posture.os == 'linux'\n  && time.hour > 8" },
    ...{ hasTimeConstraint: true, timeZone: 'Europe/Zurich' },
  });
  await sally(api, ['rules', 'update', 'office hours', '--file', '-', '--time-zone', ''], {
    stdin: 'device.time == 1\n',
  });
  assert.deepEqual(lastWrite(api)?.body, {
    ...{ name: 'Office hours', rule: 'device.time == 1', hasTimeConstraint: false, timeZone: null },
  });
  await sally(api, ['rules', 'update', 'office hours', '--name', 'y']);
  assert.deepEqual(lastWrite(api)?.body, {
    ...{ name: 'y', rule: "time.between('08:00', '18:00')", hasTimeConstraint: true, timeZone: 'Europe/Zurich' },
  });
});

test('a broken rule is shown with its problem', async (t) => {
  const api = await startApi(t);
  const problem = { line: 1, column: 4, message: '+ adds numbers only', hint: 'Compare the parts.' };
  api.replies.set('listAdmissionRules', () => ({ body: [{ ...rule(7, 'Old'), problem }] }));
  api.replies.set('getAdmissionRule', () => ({ body: { ...rule(7, 'Old'), problem } }));
  assert.match((await sally(api, ['rules', 'list'])).out, /Old +BROKEN/);
  const { out } = await sally(api, ['rules', 'get', 'Old']);
  assert.match(
    out,
    /Problem +broken, so it never matches: line 1, column 4: \+ adds numbers only\. Compare the parts\./,
  );
  assert.deepEqual(JSON.parse((await sally(api, ['rules', 'get', 'Old', '--json'])).out).problem, problem);
});

test('a wrong rule is shown with a caret under the position', async (t) => {
  const api = await startApi(t);
  api.replies.set('createAdmissionRule', () =>
    problem(400, 'invalid_rule', { errors: [{ pointer: '/rule', message: 'line 2, column 6: unknown variable usr' }] }),
  );
  const outcome = await sally(api, ['rules', 'create', 'x', '--rule', 'true\n  && usr.email == ""']);
  assert.equal(outcome.code, 2);
  assert.match(
    outcome.err,
    /--rule: line 2, column 6: unknown variable usr\n {2}2 \| {3}&& usr\.email == ""\n {11}\^\nHint: /,
  );
  const json = await sally(api, ['rules', 'create', 'x', '--rule', 'true\n  && usr', '--json']);
  assert.equal(JSON.parse(json.err).code, 'invalid_rule');
});

test('the caret aligns under wide characters, and is omitted for a position outside of the text', () => {
  assert.equal(pointAt("'東京' == x", { line: 1, column: 9 }), "  1 | '東京' == x\n                ^");
  assert.equal(pointAt('ab', { line: 1, column: 3 }), '  1 | ab\n        ^');
  assert.equal(pointAt('ab', { line: 1, column: 4 }), undefined);
  assert.equal(pointAt('ab', { line: 2, column: 1 }), undefined);
});

test('settings keep unnamed fields and accept spans and `forever`', async (t) => {
  const api = await startApi(t);
  await sally(api, ['settings', 'set', '--lease', '2h', '--audit-retention', '90']);
  assert.deepEqual(lastWrite(api)?.body, { name: 'acme', leaseSeconds: 7200, auditRetentionDays: 90 });
  assert.equal(lastWrite(api)?.headers['if-match'], '"7"');
  await sally(api, ['settings', 'set', '--audit-retention', 'forever']);
  assert.deepEqual(lastWrite(api)?.body, { name: 'acme', auditRetentionDays: null });
});

test('an API key has no account, sessions or sign-in methods', async (t) => {
  const api = await startApi(t);
  for (const args of [
    ['account', 'show'],
    ['account', 'name', '--first-name', 'Ada'],
    ['sessions', 'list'],
    ['sessions', 'end', '--others'],
    ['methods', 'list'],
    ['methods', 'remove', uuid(1)],
  ]) {
    const outcome = await sally(api, args);
    assert.equal(outcome.code, 4, args.join(' '));
    assert.match(outcome.err, /An API key belongs to no person[\s\S]*sally login --browser/);
  }
  assert.deepEqual(api.seen, []);
  assert.equal((await sally(api, ['sessions', 'end'])).code, 2);
});
