import { privateKeyPlaceholder, type ResponseBody } from '@sallyport/contract';

/** Time of everything. */
export const at = '2026-11-01T10:00:00.000Z';
/** Times of an object. */
export const stamps = { createdAt: at, updatedAt: at };
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
