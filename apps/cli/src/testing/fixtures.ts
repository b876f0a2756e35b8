import type { OperationName, operations, ResponseBody } from '@sallyport/contract';
import {
  address,
  apiKey,
  at,
  auditEvent,
  configuration,
  device,
  explanation,
  gateway,
  group,
  page,
  policy,
  protocol,
  resource,
  role,
  rule,
  stamps,
  TOKEN,
  user,
  uuid,
} from './objects.ts';

export * from './objects.ts';

/** Operations that only browsers call. They need no sign-in, or they need a signed-in person. */
export type BrowserOperation = {
  [N in OperationName]: (typeof operations)[N]['right'] extends 'self' | null ? N : never;
}[OperationName];
/** An answer for each operation that a command line can call. */
export type Fixtures = { [N in Exclude<OperationName, BrowserOperation>]: ResponseBody<N> };

const enrolmentKey: ResponseBody<'createEnrolmentKey'> = {
  id: uuid(85),
  createdAt: at,
  expiresAt: '2026-11-02T10:00:00.000Z',
  name: 'anna-laptop',
  user: { id: uuid(111), email: 'anna@example.com' },
};

const gateways = [gateway(11, 'berlin'), gateway(12, 'paris')];
const policies = [policy(61, 'staff', 1), policy(62, 'lab', 2), policy(63, 'guests', 3)];
const address0 = address(31, '10.0.0.5');
const berlin = gateway(11, 'berlin');
const https = protocol(21, 'HTTPS', '443');
const intranet = resource(41, 'intranet');
const anna = device(51, 'anna');
const builtIn = rule(71, 'Admission without Restrictions');

const office = {
  ...rule(72, 'Office hours'),
  type: 'CUSTOM',
  rule: "time.between('08:00', '18:00')",
  hasTimeConstraint: true,
  timeZone: 'Europe/Zurich',
} as const;
const annaUser = user(111, 'anna@example.com');
const engineering = group(101, 'Engineering');
const roles = [role(91, 'Admin', 'ADMIN'), role(92, 'User', 'BASIC'), role(93, 'Auditor', 'AUDITOR')];
const tenant = {
  ...{ id: uuid(1), createdAt: at, name: 'acme', timeZone: 'UTC', leaseSeconds: 86_400, drainSeconds: 300, mtu: 1280 },
  ...({
    localNetwork: 'RESOLVERS',
    otherNames: 'FORWARD',
    auditRetentionDays: null,
    revision: 18,
    countries: false,
  } as const),
};

const session = (n: number): ResponseBody<'listUserSessions'>[number] => ({
  id: uuid(n),
  createdAt: at,
  lastSeenAt: at,
  expiresAt: at,
  method: 'PASSKEY',
  client: 'Firefox on Linux',
  sourceIp: '192.0.2.7',
  current: false,
});
const acmeSso: ResponseBody<'getProvider'> = {
  ...{ id: uuid(101), ...stamps, name: 'Acme SSO', label: 'Acme', issuer: 'https://id.example.com' },
  ...{ clientId: 'sallyport', hasClientSecret: true, scopes: ['openid', 'email'], groupsClaim: 'groups' },
  groupMapping: [{ value: 'staff', group: { id: uuid(71), name: 'Engineering' } }],
  ...{ emailDomains: ['example.com'], hostedDomains: ['example.org'], entraTenants: [uuid(102)] },
  ...{ requiredGroup: 'staff', provisioning: true, trustEmail: false, requireAuthTime: true },
  ...{ assuresSecondFactor: false, position: 0, enabled: true },
  redirectUri: `https://sallyport.example.com/console/return/${uuid(101)}`,
  logoutUri: `https://sallyport.example.com/sign-in/providers/${uuid(101)}/logout`,
};
const signInSettings: ResponseBody<'getSignInSettings'> = {
  slug: 'acme',
  methods: ['PASSKEY'],
  secondFactor: 'REQUIRED',
  idleMinutes: 720,
  absoluteHours: 168,
  notices: ['METHODS'],
};

/** A small tenant: the default answer of each operation. */
export const fixtures = {
  dryRun: {
    changes: [{ action: 'disconnect', kind: 'resource', id: uuid(41), name: 'intranet' }],
    gained: 0,
    lost: 2,
    revision: 12,
    unchanged: 3,
    samples: [{ change: 'lost', device: uuid(51), resource: uuid(41) }],
    pairs: [{ change: 'lost', device: { id: uuid(51), name: 'laptop' }, resource: { id: uuid(41), name: 'intranet' } }],
  },
  answers: {
    createGateway: berlin,
    listGateways: gateways,
    getGateway: berlin,
    updateGateway: berlin,
    deleteGateway: undefined,
    enableRelay: berlin,
    disableRelay: berlin,
    testGateway: { status: 'ONLINE', details: 'Agent connected\nNot probed: from outside' },
    rekeyGateway: berlin,
    upgradeGateway: berlin,
    cancelGatewayUpgrade: undefined,
    createProtocol: https,
    listProtocols: [https, protocol(22, 'SSH', '22')],
    getProtocol: https,
    deleteProtocol: undefined,
    listAddresses: [address0],
    getAddress: address0,
    updateAddress: address0,
    deleteAddress: undefined,
    listAddressGateways: gateways,
    createResource: { ...intranet, gateways: [] },
    listResources: page([intranet]),
    getResource: intranet,
    updateResource: intranet,
    deleteResource: undefined,
    saveLoadBalancing: intranet,
    detachGateway: undefined,
    createDevice: anna,
    listDevices: page([anna]),
    getDevice: anna,
    deleteDevice: undefined,
    writeBatch: { answers: [{ status: 200, id: uuid(51), etag: '"8"' }] },
    deactivateDevice: { ...anna, active: false, status: 'Deactivated' },
    reactivateDevice: anna,
    getDeviceConfiguration: { revision: 'r1', text: configuration },
    createPolicy: policies[0] ?? policy(61, 'staff', 1),
    listPolicies: policies,
    getPolicy: policies[0] ?? policy(61, 'staff', 1),
    updatePolicy: policies[0] ?? policy(61, 'staff', 1),
    deletePolicy: undefined,
    reorderPolicies: policies,
    listAdmissionRules: [builtIn, office],
    getAdmissionRule: office,
    createAdmissionRule: office,
    updateAdmissionRule: office,
    deleteAdmissionRule: undefined,
    updateDevice: { ...anna, posture: { os: 'linux' }, user: { id: uuid(111), lastConnection: at } },
    createUsers: annaUser,
    listUsers: page([annaUser]),
    getUser: annaUser,
    updateUser: annaUser,
    deleteUser: undefined,
    deactivateUser: { ...annaUser, status: 'DEACTIVATED' },
    reactivateUser: annaUser,
    inviteUser: undefined,
    listUserRoles: annaUser.roles,
    updateUserRoles: undefined,
    addUserGroup: undefined,
    removeUserGroup: undefined,
    createGroup: engineering,
    listGroups: page([engineering]),
    getGroup: engineering,
    updateGroup: engineering,
    deleteGroup: undefined,
    listRoles: roles,
    getRole: role(91, 'Admin', 'ADMIN'),
    listRoleUsers: [annaUser],
    removeUserRole: undefined,
    explainAccess: { answers: [explanation] },
    tryAdmissionRule: {
      result: {
        met: false,
        reason: 'it is not true',
        at,
        conditions: [
          { expression: "user.department == 'Engineering'", met: false, values: { 'user.department': 'Sales' } },
        ],
      },
    },
    accessMatrix: {
      device: { id: uuid(51), name: 'anna' },
      user: { id: uuid(111), email: 'anna@example.com' },
      resource: { id: uuid(41), name: 'intranet' },
      policies: [uuid(61)],
      gateways: [uuid(11)],
    },
    listAuditEvents: page([auditEvent(17)]),
    exportAuditEvents: auditEvent(17),
    verifyAuditEvents: { intact: true, checked: 17, head: 'b'.repeat(64) },
    followChanges: { revision: 18, changes: [{ kind: 'policy', id: uuid(61), op: 'update' }] },
    followLive: {
      stream: uuid(200),
      revision: 18,
      changes: [{ kind: 'policy', id: uuid(61), op: 'update' }],
    },
    setLiveTopics: undefined,
    getTenant: tenant,
    updateTenant: tenant,
    createEnrolmentKey: { ...enrolmentKey, key: `sdk_${'0'.repeat(31)}1_${'A'.repeat(43)}_${'B'.repeat(22)}` },
    listEnrolmentKeys: [enrolmentKey],
    deleteEnrolmentKey: undefined,
    createApiKey: { ...apiKey(81, 'ci'), key: 'sk_abcdefghijklmnopqrstuvwxyz' },
    listApiKeys: [apiKey(81, 'ci')],
    deleteApiKey: undefined,
    getMailStatus: {
      enabled: true,
      from: 'vpn@example.com',
      problem: 'The mail server did not answer in time',
      mails: [
        {
          ...{ id: uuid(171), createdAt: at, user: { id: uuid(111), email: 'anna@example.com' } },
          ...{ kind: 'INVITATION', state: 'WAITING', nextTryAt: at, failure: 'The mail server did not answer in time' },
        },
      ],
    },
    sendTestMail: { sentTo: 'anna@example.com' },
    listInvitations: page([
      {
        user: { id: uuid(111), email: 'anna@example.com' },
        status: 'INVITED',
        expiresAt: at,
        link: { createdAt: at, expiresAt: at, createdBy: 'owner@example.com' },
        mail: { state: 'FAILED', at, failure: 'The mail server does not know the recipient' },
      },
    ]),
    revokeInvitation: undefined,
    createInvitationLink: { url: 'https://vpn.example.com/console/link#spl_x', expiresAt: at },
    revealGatewayToken: { token: TOKEN },
    resetSignIn: { url: 'https://vpn.example.com/console/link#spl_x', expiresAt: at },
    transferOwnership: undefined,
    listUserSessions: [session(1)],
    endUserSessions: undefined,
    listProviders: [acmeSso],
    createProvider: acmeSso,
    getProvider: acmeSso,
    updateProvider: acmeSso,
    deleteProvider: undefined,
    checkProvider: { ok: true, findings: [{ severity: 'warning', message: 'It does not list the scope groups' }] },
    getSignInSettings: signInSettings,
    updateSignInSettings: signInSettings,
  } satisfies Fixtures,
} as const;
