import { type OperationName, type operations, privateKeyPlaceholder, type ResponseBody } from '@sallyport/contract';

/** Operations that only browsers call. They need no sign-in, or they need a signed-in person. */
export type BrowserOperation = {
  [N in OperationName]: (typeof operations)[N]['right'] extends 'self' | null ? N : never;
}[OperationName];
/** An answer for each operation that a command line can call. */
export type Fixtures = { [N in Exclude<OperationName, BrowserOperation>]: ResponseBody<N> };

const at = '2026-11-01T10:00:00.000Z';
const stamps = { createdAt: at, updatedAt: at };
/** Enrolment token of a gateway. */
export const TOKEN = `sgw_${'0'.repeat(31)}1_${'A'.repeat(43)}_${'B'.repeat(22)}`;

/** Returns a UUID (version 4) that ends in `n`. */
export const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** Returns a gateway. */
export function gateway(n: number, name: string): ResponseBody<'getGateway'> {
  return {
    id: uuid(n),
    ...stamps,
    deployedOn: null,
    name,
    description: 'Kept',
    wireguardPort: '51820',
    status: 'PENDING',
    token: TOKEN,
    endpoint: 'vpn.example.com',
    autoDiscoverEndpoint: false,
    resources: [],
    intent: 'ACTIVE',
    masquerade: true,
    labels: ['eu', 'site=berlin'],
  };
}

/** Returns a predefined protocol with one TCP port. */
export function protocol(n: number, name: string, port: string): ResponseBody<'getProtocol'> {
  return { id: uuid(n), name, networkProtocols: [{ protocol: 'TCP', port }], type: 'PREDEFINED' };
}

/** Returns an address that allows HTTPS. */
export function address(n: number, text: string): ResponseBody<'getAddress'> {
  return { id: uuid(n), address: text, isIp: true, type: 'PRIVATE', protocols: [protocol(21, 'HTTPS', '443')] };
}

/** Returns a private resource with one address and two gateways. */
export function resource(n: number, name: string): ResponseBody<'getResource'> {
  return {
    id: uuid(n),
    ...stamps,
    name,
    type: 'PRIVATE',
    loadBalancingMode: 'MANUAL',
    addresses: [address(31, '10.0.0.5')],
    gateways: [gateway(11, 'berlin'), gateway(12, 'paris')],
    names: [
      { address: 'wiki.corp', gateway: { id: uuid(11), name: 'berlin' }, resolves: true, answer: 'it has 10.0.0.5' },
    ],
    labels: ['eu'],
  };
}

/** Returns an offline device. */
export function device(n: number, name: string, publicKey?: string): ResponseBody<'getDevice'> {
  return {
    id: uuid(n),
    ...stamps,
    name,
    active: true,
    status: 'Offline',
    hardwareId: `wg-${n}`,
    overlayAddresses: ['100.64.0.2'],
    labels: ['eu'],
    ...(publicKey === undefined ? {} : { publicKey }),
  };
}

/** Returns a policy that allows one device to reach one resource. */
export function policy(n: number, name: string, order: number): ResponseBody<'getPolicy'> {
  const { overlayAddresses: _, user: __, publicKey: ___, ...plain } = device(51, 'anna');
  const { gateways: ____, addresses: _____, status: ______, names: _______, ...bare } = resource(41, 'intranet');
  return {
    id: uuid(n),
    ...stamps,
    name,
    action: true,
    order,
    isDefault: false,
    type: 'PRIVATE',
    ...{ allGroups: false, allUsers: false, allDevices: false, allResources: false },
    devices: [plain],
    resources: [bare],
    rule: rule(71, 'Admission without Restrictions'),
  };
}

/** Returns an admission rule. */
export function rule(n: number, name: string): ResponseBody<'getAdmissionRule'> {
  return { id: uuid(n), ...stamps, name, type: 'ALLOW', hasTimeConstraint: false };
}

/** Returns a role. */
export function role(n: number, name: string, type: ResponseBody<'getRole'>['type']): ResponseBody<'getRole'> {
  return { id: uuid(n), ...stamps, name, deleteable: false, type };
}

/** Returns an active user with one role and one group. */
export function user(n: number, email: string): ResponseBody<'getUser'> {
  return {
    id: uuid(n),
    ...stamps,
    email,
    status: 'ACTIVE',
    firstName: 'Kept',
    isOwner: false,
    maxDevices: null,
    attributes: { level: 3, office: 'Zurich' },
    roles: [role(91, 'Admin', 'ADMIN')],
    groups: [{ id: uuid(101), ...stamps, name: 'Engineering' }],
    devices: [],
  };
}

/** Returns a group with one role and one user. */
export function group(n: number, name: string): ResponseBody<'getGroup'> {
  return {
    id: uuid(n),
    ...stamps,
    name,
    description: 'Kept',
    roles: [role(92, 'User', 'BASIC')],
    deleteable: true,
    users: [{ id: uuid(111), ...stamps, email: 'anna@example.com' }],
    maxDevices: 5,
    isSamlDefaultGroup: false,
    idpMapping: ['eng'],
  };
}

/** Returns an audit event. */
export function auditEvent(n: number): ResponseBody<'exportAuditEvents'> {
  return {
    id: `${n}.0`,
    at,
    revision: n,
    actor: { kind: 'api-key', id: uuid(81), name: 'ci' },
    sourceIp: '192.0.2.7',
    action: 'policy.update',
    object: { kind: 'policy', id: uuid(61), name: 'staff' },
    hash: 'b'.repeat(64),
    previousHash: 'a'.repeat(64),
  };
}

/** Anna's device may reach the intranet during office hours. */
export const explanation: ResponseBody<'explainAccess'>['answers'][number] = {
  device: { id: uuid(51), name: 'anna' },
  allowed: true,
  reason: 'a policy allows it',
  at,
  validUntil: '2026-11-01T18:00:00Z',
  policy: uuid(61),
  resources: [{ id: uuid(41), name: 'intranet' }],
  policies: [
    { id: uuid(62), name: 'lab', type: 'PRIVATE', order: 1, outcome: 'no-match', reason: 'none of its resources' },
    {
      ...{
        id: uuid(63),
        name: 'guests',
        type: 'PRIVATE',
        order: 2,
        outcome: 'skipped',
        reason: 'its admission rule is not met',
      },
      conditions: [{ expression: "groups.exists(g, g == 'Guests')", met: false, values: { groups: ['Engineering'] } }],
    },
    {
      ...{
        id: uuid(61),
        name: 'staff',
        type: 'PRIVATE',
        order: 3,
        outcome: 'allowed',
        reason: 'it allows this destination',
      },
      conditions: [{ expression: "time.between('08:00', '18:00')", met: true, values: { 'time.hour': 10 } }],
    },
  ],
  gateways: [
    {
      id: uuid(11),
      name: 'berlin',
      status: 'ONLINE',
      chosen: true,
      reason: 'it is the first in order',
      applied: 'agrees',
    },
    { id: uuid(12), name: 'paris', status: 'OFFLINE', chosen: false, reason: 'it is offline', applied: 'unknown' },
  ],
};

const enrolmentKey: ResponseBody<'createEnrolmentKey'> = {
  id: uuid(85),
  createdAt: at,
  expiresAt: '2026-11-02T10:00:00.000Z',
  name: 'anna-laptop',
  user: { id: uuid(111), email: 'anna@example.com' },
};

/** Returns an API key without its secret. */
export function apiKey(n: number, name: string): ResponseBody<'createApiKey'> {
  return { id: uuid(n), createdAt: at, name, role: 'ADMIN', prefix: 'sk_abc' };
}

/** Returns the only page of a list. */
export function page<T>(data: T[]) {
  return { data, total: data.length, page: 0, limit: 100, hasNext: false, hasPrevious: false };
}

/** A WireGuard configuration as the controller returns it. */
export const configuration = `[Interface]
PrivateKey = ${privateKeyPlaceholder}
Address = 100.64.0.2/32
MTU = 1280

[Peer]
PublicKey = ${Buffer.alloc(32, 7).toString('base64')}
Endpoint = vpn.example.com:51820
AllowedIPs = 10.0.0.5/32
PersistentKeepalive = 25
`;

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
