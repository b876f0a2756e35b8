/**
 * The published reference as data: its operations, the fields of their bodies and of their answers. Each deliberate
 * deviation stands beside the table, with its reason.
 */

/** Type of a field. */
export type FieldType =
  | 'string'
  | 'uuid'
  | 'date'
  | 'number'
  | 'boolean'
  | 'object'
  | { readonly oneOf: readonly string[] }
  | { readonly is: string }
  | { readonly listOf: FieldType };

/** A field of a body or an answer. */
export interface Field {
  readonly type: FieldType;
  readonly required: boolean;
  readonly nullable?: true;
}

/** Fields by name. */
export type Fields = Readonly<Record<string, Field>>;

/** `[method, path below /tenants, success code, body, answer]`; a list of a shape has `[]`, a page of it `{}`. */
export type PublishedOperation = readonly [
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  status: 200 | 201 | 204,
  body: string | null,
  answer: string | null,
];

const req = (type: FieldType): Field => ({ type, required: true });
const opt = (type: FieldType): Field => ({ type, required: false });
const oneOf = (...values: readonly string[]): FieldType => ({ oneOf: values });
const listOf = (type: FieldType): FieldType => ({ listOf: type });
const is = (name: string): FieldType => ({ is: name });
const dated = { id: req('uuid'), createdAt: req('date'), updatedAt: req('date') };

const accessTypes = oneOf('PRIVATE', 'SAAS', 'INTERNET');
const balancing = oneOf('MANUAL', 'AUTOMATIC');
const policyTypes = oneOf('PRIVATE', 'SAAS', 'INTERNET', 'SITETOSITE');
const policyModes = oneOf('LOCAL', 'RESTRICTED', 'INTERNET_ACCESS_POINT');
const gatewayStatus = oneOf('PENDING', 'ONLINE', 'OFFLINE', 'MAINTENANCE', 'ERROR');
const deviceStatus = oneOf('Online', 'Offline', 'Deactivated');
const transport = oneOf('TCP', 'UDP', 'ICMP');

/** Every published operation. */
export const publishedOperations: readonly PublishedOperation[] = [
  ['POST', '/gateways', 201, 'CreateGateway', 'Gateway'],
  ['GET', '/gateways', 200, null, 'Gateway[]'],
  ['GET', '/gateways/{id}', 200, null, 'Gateway'],
  ['PATCH', '/gateways/{id}', 200, 'UpdateGateway', 'Gateway'],
  ['DELETE', '/gateways/{id}', 204, null, null],
  ['POST', '/gateways/{id}/enable-relay', 201, null, 'Gateway'],
  ['POST', '/gateways/{id}/disable-relay', 201, null, 'Gateway'],
  ['POST', '/gateways/{id}/test-configuration', 201, null, 'TestConfiguration'],

  ['POST', '/resources', 201, 'CreateResource', 'Resource'],
  ['GET', '/resources', 200, null, 'Resource{}'],
  ['GET', '/resources/{id}', 200, null, 'Resource'],
  ['PUT', '/resources/{id}', 200, 'UpdateResource', 'Resource'],
  ['DELETE', '/resources/{id}', 204, null, null],
  ['PUT', '/resources/{id}/load-balancing', 200, 'LoadBalancing', 'Resource'],
  ['DELETE', '/resources/{id}/gateways/{gatewayId}', 204, null, null],

  ['GET', '/addresses', 200, null, 'Address[]'],
  ['GET', '/addresses/{id}', 200, null, 'Address'],
  ['PUT', '/addresses/{id}', 200, 'UpdateAddress', 'Address'],
  ['DELETE', '/addresses/{id}', 204, null, null],
  ['GET', '/addresses/{id}/gateways', 200, null, 'Gateway[]'],

  ['POST', '/protocols', 201, 'CreateProtocol', 'Protocol'],
  ['GET', '/protocols', 200, null, 'Protocol[]'],
  ['GET', '/protocols/{id}', 200, null, 'Protocol'],
  ['DELETE', '/protocols/{id}', 204, null, null],

  ['POST', '/policies', 201, 'CreatePolicy', 'Policy'],
  ['GET', '/policies', 200, null, 'Policy[]'],
  ['PATCH', '/policies/reorder', 200, 'ReorderPolicies', 'Policy[]'],
  ['PATCH', '/policies/{id}', 200, 'UpdatePolicy', 'Policy'],
  ['GET', '/policies/{id}', 200, null, 'Policy'],
  ['DELETE', '/policies/{id}', 204, null, null],

  ['POST', '/admission-rules', 201, 'CreateAdmissionRule', 'AdmissionRule'],
  ['GET', '/admission-rules', 200, null, 'AdmissionRule[]'],
  ['GET', '/admission-rules/{id}', 200, null, 'AdmissionRule'],
  ['PUT', '/admission-rules/{id}', 200, 'UpdateAdmissionRule', 'AdmissionRule'],
  ['DELETE', '/admission-rules/{id}', 204, null, null],

  ['POST', '/users', 201, 'CreateUser', 'User'],
  ['GET', '/users', 200, null, 'User{}'],
  ['GET', '/users/{id}', 200, null, 'User'],
  ['PUT', '/users/{id}', 200, 'UpdateUser', 'User'],
  ['DELETE', '/users/{id}', 204, null, null],
  ['PATCH', '/users/{id}/deactivate', 200, null, 'User'],
  ['POST', '/users/{id}/reactivate', 201, null, 'User'],
  ['POST', '/users/{id}/invite', 201, null, null],
  ['GET', '/users/{id}/roles', 200, null, 'Role[]'],
  ['PATCH', '/users/{id}/roles', 200, 'UpdateUserRoles', null],
  ['POST', '/users/{id}/groups', 201, 'AddUserGroup', null],
  ['DELETE', '/users/{id}/groups/{groupId}', 204, null, null],

  ['GET', '/devices', 200, null, 'Device{}'],
  ['GET', '/devices/{id}', 200, null, 'Device'],
  ['DELETE', '/devices/{id}', 204, null, null],
  ['PATCH', '/devices/{id}/deactivate', 200, null, 'Device'],

  ['GET', '/roles', 200, null, 'Role[]'],
  ['GET', '/roles/{id}', 200, null, 'Role'],
  ['GET', '/roles/{id}/users', 200, null, 'User[]'],
  ['DELETE', '/roles/{id}/users/{userId}', 204, null, null],

  ['POST', '/groups', 201, 'CreateGroup', 'Group'],
  ['GET', '/groups', 200, null, 'Group{}'],
  ['GET', '/groups/{id}', 200, null, 'Group'],
  ['PUT', '/groups/{id}', 200, 'UpdateGroup', 'Group'],
  ['DELETE', '/groups/{id}', 204, null, null],
];

const flags = {
  allGroups: req('boolean'),
  allUsers: req('boolean'),
  allDevices: req('boolean'),
  allResources: req('boolean'),
};
const members = {
  groups: opt(listOf('uuid')),
  users: opt(listOf('uuid')),
  devices: opt(listOf('uuid')),
  resources: opt(listOf('uuid')),
  gateways: opt(listOf('uuid')),
  sourceIps: opt(listOf('string')),
};
const resourceBody = {
  addresses: req(listOf(is('ResourceAddress'))),
  name: req('string'),
  type: req(accessTypes),
  description: opt('string'),
};
const ruleBody = { rule: req('string'), name: req('string'), hasTimeConstraint: req('boolean') };
const groupBody = { roles: req(listOf('uuid')), name: req('string'), description: opt('string') };
const gatewayBody = {
  name: req('string'),
  description: opt('string'),
  wireguardPort: req('string'),
  endpoint: opt('string'),
};

/** Request bodies, by name. */
export const requests: Readonly<Record<string, Fields>> = {
  CreateGateway: gatewayBody,
  UpdateGateway: { status: opt(gatewayStatus), ...gatewayBody },
  CreateResource: resourceBody,
  UpdateResource: resourceBody,
  LoadBalancing: { loadBalancingMode: req(balancing), gateways: req(listOf('uuid')) },
  UpdateAddress: { protocols: req(listOf('uuid')), address: req('string') },
  CreateProtocol: { name: opt('string'), networkProtocols: req(listOf(is('NetworkProtocol'))) },
  CreatePolicy: {
    name: req('string'),
    description: opt('string'),
    action: req('boolean'),
    type: req(policyTypes),
    mode: opt(policyModes),
    ...flags,
    ...members,
    rule: opt('uuid'),
  },
  UpdatePolicy: {
    rule: req('uuid'),
    name: req('string'),
    ...flags,
    action: req('boolean'),
    ...members,
    description: opt('string'),
    mode: opt(policyModes),
  },
  ReorderPolicies: { type: req(policyTypes), policies: req(listOf('uuid')) },
  CreateAdmissionRule: ruleBody,
  UpdateAdmissionRule: ruleBody,
  CreateUser: { email: req('string'), groups: req(listOf('uuid')) },
  UpdateUser: { firstName: opt('string'), lastName: opt('string'), image: opt('string') },
  UpdateUserRoles: { addedRoles: req(listOf('uuid')), removedRoles: req(listOf('uuid')) },
  AddUserGroup: { groupId: req('uuid') },
  CreateGroup: groupBody,
  UpdateGroup: groupBody,
};

const deviceFields = {
  ...dated,
  name: req('string'),
  active: req('boolean'),
  lastConnection: opt('date'),
  status: req(deviceStatus),
  hardwareId: req('string'),
  posture: opt('object'),
  appVersion: opt('string'),
};
const person = { firstName: opt('string'), lastName: opt('string'), email: opt('string') };

/** Answers by name: objects of their own, and nested objects. */
export const answers: Readonly<Record<string, Fields>> = {
  Gateway: {
    ...dated,
    deployedOn: { type: 'date', required: true, nullable: true },
    name: req('string'),
    description: opt('string'),
    wireguardPort: req('string'),
    status: req(gatewayStatus),
    error: opt('string'),
    token: req('string'),
    lastOnline: opt('date'),
    relayEnabled: opt('boolean'),
    endpoint: opt('string'),
    autoDiscoverEndpoint: req('boolean'),
    resources: opt(listOf(is('GatewayResource'))),
  },
  GatewayResource: { id: req('uuid'), name: req('string') },
  TestConfiguration: {
    status: req(oneOf('ONLINE', 'MAINTENANCE', 'NOT_REACHABLE', 'ERROR', 'UNRECOGNIZED')),
    details: opt('string'),
    error: opt('string'),
    _error: opt('string'),
  },
  Resource: {
    ...dated,
    name: req('string'),
    type: req(accessTypes),
    loadBalancingMode: req(balancing),
    status: opt(oneOf('ONLINE', 'OFFLINE')),
    description: opt('string'),
    addresses: req(listOf(is('Address'))),
    gateways: req(listOf(is('Gateway'))),
  },
  Address: {
    id: req('uuid'),
    address: req('string'),
    isIp: req('boolean'),
    type: req(accessTypes),
    protocols: req(listOf(is('Protocol'))),
  },
  Protocol: {
    id: req('uuid'),
    name: req('string'),
    networkProtocols: req(listOf(is('NetworkProtocol'))),
    type: req(oneOf('ALL', 'PREDEFINED', 'CUSTOM')),
  },
  NetworkProtocol: { protocol: req(transport), port: opt('string') },
  Policy: {
    ...dated,
    name: req('string'),
    action: req('boolean'),
    order: req('number'),
    isDefault: req('boolean'),
    type: req(policyTypes),
    mode: opt(policyModes),
    ...flags,
    groups: opt(listOf(is('PolicyGroup'))),
    users: opt(listOf(is('PolicyUser'))),
    devices: opt(listOf(is('PolicyDevice'))),
    resources: opt(listOf(is('PolicyResource'))),
    gateways: opt(listOf(is('Gateway'))),
    sourceIps: opt(listOf('string')),
    rule: opt(is('AdmissionRule')),
    description: opt('string'),
  },
  PolicyGroup: {
    ...dated,
    name: req('string'),
    description: opt('string'),
    maxDevices: req('number'),
    isSamlDefaultGroup: opt('boolean'),
    idpMapping: opt(listOf('string')),
  },
  PolicyUser: {
    ...dated,
    lastConnection: opt('date'),
    status: req('string'),
    ...person,
    isOwner: req('boolean'),
    maxDevices: req('number'),
    image: opt('string'),
  },
  PolicyDevice: deviceFields,
  PolicyResource: {
    ...dated,
    name: req('string'),
    type: req(accessTypes),
    loadBalancingMode: req(balancing),
    description: opt('string'),
  },
  AdmissionRule: {
    ...dated,
    name: req('string'),
    type: req(oneOf('ALLOW', 'DENY', 'CUSTOM')),
    hasTimeConstraint: req('boolean'),
    rule: opt('string'),
  },
  User: {
    ...dated,
    lastConnection: opt('date'),
    status: req('string'),
    ...person,
    isOwner: req('boolean'),
    maxDevices: { type: 'number', required: true, nullable: true },
    image: opt('string'),
    roles: req(listOf(is('Role'))),
    groups: req(listOf(is('UserGroup'))),
    devices: req(listOf(is('Device'))),
  },
  UserGroup: { ...dated, name: req('string'), description: opt('string') },
  Device: { ...deviceFields, user: opt(is('DeviceUser')) },
  DeviceUser: { id: req('uuid'), lastConnection: req('date'), ...person },
  Role: {
    ...dated,
    name: req('string'),
    description: opt('string'),
    deleteable: req('boolean'),
    type: req(oneOf('OWNER', 'ADMIN', 'DEFAULT', 'BASIC', 'BILLING', 'AUDITOR', 'SUPPORT')),
  },
  Group: {
    ...dated,
    name: req('string'),
    description: opt('string'),
    roles: req(listOf(is('Role'))),
    deleteable: req('boolean'),
    users: req(listOf(is('GroupUser'))),
    maxDevices: req('number'),
    isSamlDefaultGroup: req('boolean'),
    idpMapping: req(listOf('string')),
  },
  GroupUser: { id: req('uuid'), createdAt: req('date'), updatedAt: req('date'), ...person },
};

/** Deliberate deviations: `Shape.field` or `METHOD path`, with the difference and the reason. */
export interface Deviation {
  readonly differs: 'not demanded' | 'never answered' | 'always answered' | 'refused';
  readonly why: string;
}

const byDefault = { differs: 'not demanded', why: 'its documented default stands in for it' } as const;
const known = { differs: 'always answered', why: 'it always has a value, an empty list too' } as const;

/** Every deviation. */
export const deviations: Readonly<Record<string, Deviation>> = {
  'CreatePolicy.allGroups': byDefault,
  'CreatePolicy.allUsers': byDefault,
  'CreatePolicy.allDevices': byDefault,
  'CreatePolicy.allResources': byDefault,
  'UpdatePolicy.allGroups': byDefault,
  'UpdatePolicy.allUsers': byDefault,
  'UpdatePolicy.allDevices': byDefault,
  'UpdatePolicy.allResources': byDefault,
  'UpdateResource.type': { differs: 'not demanded', why: 'it cannot change after creation' },
  'Gateway.relayEnabled': known,
  'Gateway.resources': known,
  'TestConfiguration.details': known,
  'TestConfiguration._error': { differs: 'never answered', why: 'what went wrong inside stays inside' },
  'Policy.groups': known,
  'Policy.users': known,
  'Policy.devices': known,
  'Policy.resources': known,
  'Policy.gateways': known,
  'Policy.sourceIps': known,
  'Policy.rule': known,
  'PolicyGroup.isSamlDefaultGroup': known,
  'PolicyGroup.idpMapping': known,
  'PolicyUser.email': known,
  'Role.description': known,
  'User.email': known,
  'DeviceUser.email': known,
  'GroupUser.email': known,
};
