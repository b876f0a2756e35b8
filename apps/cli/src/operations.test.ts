import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OperationName, operations } from '@sallyport/contract';
import { problem, startApi } from './testing/api-server.ts';
import { type BrowserOperation, fixtures, TOKEN, uuid } from './testing/fixtures.ts';
import { sally } from './testing/run.ts';

/** One command line for each operation of the contract that an API key can call. */
const commandOf: Record<Exclude<OperationName, BrowserOperation>, string[]> = {
  createGateway: ['gateways', 'create', 'berlin', '--port', '51820'],
  listGateways: ['gateways', 'list'],
  getGateway: ['gateways', 'get', 'berlin'],
  updateGateway: ['gateways', 'update', 'berlin', '--port', '51821'],
  deleteGateway: ['gateways', 'delete', 'berlin'],
  enableRelay: ['gateways', 'enable-relay', 'berlin'],
  disableRelay: ['gateways', 'disable-relay', 'berlin'],
  testGateway: ['gateways', 'test', 'berlin'],
  rekeyGateway: ['gateways', 'rekey', 'berlin'],
  upgradeGateway: ['gateways', 'upgrade', 'berlin'],
  cancelGatewayUpgrade: ['gateways', 'cancel-upgrade', 'berlin'],
  revealGatewayToken: ['gateways', 'token', 'berlin'],
  createProtocol: ['protocols', 'create', 'web', '--tcp', '80', '--udp', '5000-5100', '--icmp'],
  listProtocols: ['protocols', 'list'],
  getProtocol: ['protocols', 'get', 'https'],
  deleteProtocol: ['protocols', 'delete', 'HTTPS'],
  listAddresses: ['addresses', 'list'],
  getAddress: ['addresses', 'get', '10.0.0.5/32'],
  updateAddress: ['addresses', 'update', '10.0.0.5', '--protocol', 'SSH'],
  deleteAddress: ['addresses', 'delete', '10.0.0.5'],
  listAddressGateways: ['addresses', 'gateways', '10.0.0.5'],
  createResource: ['resources', 'create', 'intranet', '--address', '10.0.0.5=HTTPS'],
  listResources: ['resources', 'list', '--filter', 'name[ilike]=%web%'],
  getResource: ['resources', 'get', 'intranet'],
  updateResource: ['resources', 'update', 'intranet', '--name', 'other'],
  deleteResource: ['resources', 'delete', 'intranet'],
  saveLoadBalancing: ['resources', 'order', 'intranet', 'paris', 'berlin'],
  detachGateway: ['resources', 'detach', 'intranet', 'paris'],
  createDevice: ['device', 'add', 'anna', '--no-qr', '--out', '-'],
  listDevices: ['devices', 'list', '--limit', '5'],
  getDevice: ['devices', 'get', 'anna'],
  deleteDevice: ['devices', 'delete', 'anna'],
  deactivateDevice: ['devices', 'deactivate', 'anna'],
  reactivateDevice: ['devices', 'reactivate', 'anna'],
  getDeviceConfiguration: ['device', 'config', 'anna'],
  createEnrolmentKey: ['enrolment-keys', 'create', '--owner', 'anna@example.com', '--expires', '2d'],
  listEnrolmentKeys: ['enrolment-keys', 'list'],
  deleteEnrolmentKey: ['enrolment-keys', 'delete', 'anna-laptop'],
  createPolicy: ['policies', 'create', 'staff', '--allow', '--all-devices', '--resource', 'intranet'],
  listPolicies: ['policies', 'list'],
  getPolicy: ['policies', 'get', 'staff'],
  updatePolicy: ['policies', 'update', 'staff', '--deny'],
  deletePolicy: ['policies', 'delete', 'staff'],
  reorderPolicies: ['policies', 'reorder', 'guests', 'lab', 'staff'],
  listAdmissionRules: ['rules', 'list'],
  getAdmissionRule: ['rules', 'get', 'office HOURS'],
  createAdmissionRule: ['rules', 'create', 'Inside', '--rule', "source.inCidr('10.0.0.0/8')"],
  updateAdmissionRule: ['rules', 'update', 'office hours', '--time-zone', 'Europe/Berlin'],
  deleteAdmissionRule: ['rules', 'delete', 'Office hours'],
  updateDevice: ['devices', 'update', 'anna', '--owner', 'anna@example.com', '--posture', 'os=linux'],
  createUsers: ['users', 'invite', 'ben@example.com', '--group', 'Engineering'],
  listUsers: ['users', 'list'],
  getUser: ['users', 'get', 'Anna@example.com'],
  updateUser: ['users', 'update', 'anna@example.com', '--department', 'Engineering'],
  deleteUser: ['users', 'delete', 'anna@example.com'],
  deactivateUser: ['users', 'deactivate', 'anna@example.com'],
  reactivateUser: ['users', 'reactivate', 'anna@example.com'],
  inviteUser: ['users', 'reinvite', 'anna@example.com'],
  listUserRoles: ['users', 'roles', 'list', 'anna@example.com', '--own'],
  updateUserRoles: ['users', 'roles', 'add', 'anna@example.com', 'auditor'],
  addUserGroup: ['users', 'groups', 'add', 'anna@example.com', 'Engineering'],
  removeUserGroup: ['users', 'groups', 'remove', 'anna@example.com', 'Engineering'],
  createGroup: ['groups', 'create', 'Support', '--role', 'user', '--max-devices', '3'],
  listGroups: ['groups', 'list'],
  getGroup: ['groups', 'get', 'Engineering'],
  updateGroup: ['groups', 'update', 'Engineering', '--max-devices', '7'],
  deleteGroup: ['groups', 'delete', 'Engineering'],
  listRoles: ['roles', 'list'],
  getRole: ['roles', 'get', 'admin'],
  listRoleUsers: ['roles', 'users', 'Admin', '--groups'],
  removeUserRole: ['roles', 'remove', 'Admin', 'anna@example.com'],
  tryAdmissionRule: ['rules', 'try', '--rule', "user.department == 'Engineering'", '--device', 'anna'],
  explainAccess: ['access', 'explain', 'anna', '10.0.0.5:443'],
  accessMatrix: ['access', 'matrix', '--resource', 'intranet'],
  listAuditEvents: ['audit', 'list', '--from', '7d', '--kind', 'policy'],
  exportAuditEvents: ['audit', 'export'],
  verifyAuditEvents: ['audit', 'verify'],
  followChanges: ['changes', 'follow', '--limit', '1'],
  followLive: ['watch', '--limit', '1'],
  setLiveTopics: ['watch', '--gateway', 'berlin', '--device', 'anna', '--changes', '--limit', '1'],
  getTenant: ['settings', 'get'],
  updateTenant: ['settings', 'set', '--time-zone', 'Europe/Zurich'],
  createApiKey: ['keys', 'create', 'ci', '--role', 'auditor', '--expires', '90d'],
  listApiKeys: ['keys', 'list'],
  deleteApiKey: ['keys', 'delete', 'ci'],
  getMailStatus: ['settings', 'mail', 'status'],
  sendTestMail: ['settings', 'mail', 'test', '--user', 'anna@example.com'],
  listInvitations: ['users', 'invitations'],
  revokeInvitation: ['users', 'revoke-invitation', 'anna@example.com'],
  createInvitationLink: ['users', 'invitation-link', 'anna@example.com'],
  resetSignIn: ['users', 'reset-sign-in', 'anna@example.com'],
  transferOwnership: ['users', 'transfer-ownership', 'anna@example.com'],
  listUserSessions: ['users', 'sessions', 'list', 'anna@example.com'],
  endUserSessions: ['users', 'sessions', 'end', 'anna@example.com'],
  listProviders: ['providers', 'list'],
  createProvider: [
    ...['providers', 'create', 'Google', '--issuer', 'https://accounts.google.com', '--client-id', 'x', '--no-secret'],
    ...['--hosted-domain', 'example.com', '--map', 'staff=Engineering'],
  ],
  getProvider: ['providers', 'get', 'acme sso'],
  updateProvider: ['providers', 'update', 'Acme SSO', '--enabled', 'off'],
  deleteProvider: ['providers', 'delete', 'Acme SSO'],
  checkProvider: ['providers', 'check', 'Acme SSO'],
  getSignInSettings: ['settings', 'sign-in', 'get'],
  writeBatch: ['devices', 'deactivate', 'anna', uuid(52)],
  updateSignInSettings: ['settings', 'sign-in', 'set', '--method', 'passkey'],
};

for (const [name, args] of Object.entries(commandOf))
  test(`${name}: sally ${args.join(' ')}`, async (t) => {
    const api = await startApi(t);
    const outcome = await sally(api, args);
    assert.equal(outcome.code, 0, outcome.err);
    assert.ok(
      api.seen.some(({ operation }) => operation === name),
      `not asked for; it asked for ${api.seen.map(({ method, url }) => `${method} ${url}`).join(', ')}`,
    );
    assert.match(outcome.out, /\S/, 'it prints something');
  });

test('every write that supports a dry run takes --dry-run and writes nothing', async (t) => {
  for (const [name, operation] of Object.entries(operations)) {
    if (!('dryRun' in operation)) continue;
    const api = await startApi(t);
    const outcome = await sally(api, [...(commandOf[name as keyof typeof commandOf] ?? []), '--dry-run']);
    assert.equal(outcome.code, 0, `${name}: ${outcome.err}`);
    const writes = api.seen.filter(({ method }) => method !== 'GET');
    assert.deepEqual(
      writes.map(({ operation: seen, url }) => [seen, new URL(url, 'http://x').searchParams.get('dry-run')]),
      [[name, 'true']],
    );
    assert.match(outcome.out, /0 gained, 2 lost[\s\S]*- anna → intranet[\s\S]*Nothing was written/);
  }
});

test('--json prints the answer byte for byte', async (t) => {
  for (const name of ['listGateways', 'getResource', 'listDevices', 'createApiKey', 'testGateway'] as const) {
    const api = await startApi(t);
    const sent = JSON.stringify(fixtures.answers[name]);
    assert.equal((await sally(api, [...commandOf[name], '--json'])).out, `${sent}\n`, name);
  }
});

test('no table shows the token of a gateway, and `gateways token` prints only the token', async (t) => {
  const api = await startApi(t);
  for (const args of [
    ['gateways', 'list'],
    ['gateways', 'get', 'berlin'],
    ['gateways', 'create', 'x'],
    ['status'],
    ['status', '--json'],
  ]) {
    const { code, out, err } = await sally(api, args);
    assert.equal(code, 0);
    assert.ok(!`${out}${err}`.includes(TOKEN), args.join(' '));
  }
  assert.deepEqual(await sally(api, ['gateways', 'token', 'berlin']), { code: 0, out: `${TOKEN}\n`, err: '' });
});

test('a key without deployment rights gets no token', async (t) => {
  const api = await startApi(t);
  api.replies.set('revealGatewayToken', () => problem(403, 'forbidden'));
  const outcome = await sally(api, ['gateways', 'token', 'berlin']);
  assert.deepEqual([outcome.code, outcome.out], [4, '']);
});
