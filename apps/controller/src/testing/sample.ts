import assert from 'node:assert/strict';
import type { OperationName } from '@sallyport/contract';
import type { TestApp } from './harness.ts';

const publicKeys = ['yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=', 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg='];

/** One object of every kind in the first tenant, by the name of its id. */
export interface Sample {
  readonly gateway: string;
  readonly protocol: string;
  readonly resource: string;
  readonly address: string;
  readonly device: string;
  readonly policy: string;
  readonly rule: string;
  readonly key: string;
  readonly provider: string;
  readonly enrolmentKey: string;
  readonly user: string;
  readonly group: string;
  /** Set on the user. */
  readonly role: string;
}

export async function makeSample(app: TestApp): Promise<Sample> {
  const post = async (path: string, body: object) => {
    const { status, json, text } = await app.request('POST', path, { body });
    assert.equal(status, 201, text);
    return json;
  };
  const gateway = (await post('/tenants/gateways', { name: 'Berlin', wireguardPort: '51820' })).id;
  const protocol = (await post('/tenants/protocols', { networkProtocols: [{ protocol: 'TCP', port: '8080' }] })).id;
  const addresses = [{ address: '10.1.2.3', protocols: [protocol] }];
  const { id: resource, addresses: made } = await post('/tenants/resources', {
    name: 'web',
    type: 'PRIVATE',
    addresses,
  });
  const attach = { loadBalancingMode: 'MANUAL', gateways: [gateway] };
  assert.equal(
    (await app.request('PUT', `/tenants/resources/${resource}/load-balancing`, { body: attach })).status,
    200,
  );
  const device = (await post('/tenants/devices', { name: 'laptop', publicKey: publicKeys[0] })).id;
  const policy = (
    await post('/tenants/policies', {
      name: 'Allow',
      action: true,
      type: 'PRIVATE',
      devices: [device],
      resources: [resource],
    })
  ).id;
  const rule = (await post('/tenants/admission-rules', admissionRule)).id;
  const key = (await post('/tenants/api-keys', { name: 'another' })).id;
  const enrolmentKey = (await post('/tenants/enrolment-keys', { name: 'tablet' })).id;
  const people = await makePeople(app, post);
  const provider = (await post('/tenants/sign-in-providers', sampleProvider)).id;
  return {
    provider,
    gateway,
    protocol,
    resource,
    address: made[0].id,
    device,
    policy,
    rule,
    key,
    enrolmentKey,
    ...people,
  };
}

const sampleProvider = { name: 'Acme SSO', issuer: 'https://127.0.0.1:1', clientId: 'sallyport', clientSecret: 'x' };

const admissionRule = {
  name: 'Engineers by day',
  rule: "user.department == 'Engineering' && time.between('08:00', '18:00')",
  hasTimeConstraint: true,
  timeZone: 'Europe/Zurich',
};

/** A user in two groups with a role. */
async function makePeople(app: TestApp, post: (path: string, body: object) => Promise<{ id: string }>) {
  const get = async (path: string) => (await app.request('GET', path)).json;
  const [main] = (await get('/tenants/groups')).data;
  const roles = await get('/tenants/roles');
  const role = roles.find(({ type }: { type: string }) => type === 'AUDITOR').id;
  const group = (await post('/tenants/groups', { name: 'Staff', roles: [] })).id;
  const user = (await post('/tenants/users', { email: 'jane@example.com', groups: [main.id, group] })).id;
  const body = { addedRoles: [role], removedRoles: [] };
  assert.equal((await app.request('PATCH', `/tenants/users/${user}/roles`, { body })).status, 200);
  return { user, group, role };
}

/** The form of a passkey's answer, with nothing in it that holds. */
const credential = {
  id: 'x',
  rawId: 'x',
  type: 'public-key',
  response: { clientDataJSON: 'x', attestationObject: 'x' },
  clientExtensionResults: {},
};

/** A body that each operation takes, where it takes one. */
export function validBody(name: OperationName, sample: Sample): Record<string, unknown> | undefined {
  const { gateway, protocol, resource, device, policy, rule, group, role, user } = sample;
  const addresses = [{ address: '10.9.9.9', protocols: [protocol] }];
  const flags = { allGroups: false, allUsers: false, allDevices: false, allResources: false };
  const bodies: Partial<Record<OperationName, Record<string, unknown>>> = {
    createGateway: {
      name: 'Hamburg',
      wireguardPort: '51821',
      description: 'x',
      endpoint: 'gw.example.com',
      masquerade: true,
      dnsServers: [{ address: '10.9.9.53', port: 5353, domains: ['corp.example'] }],
      network: 'berlin',
      labels: ['eu', 'site=berlin'],
    },
    updateGateway: {
      name: 'Hamburg',
      wireguardPort: '51821',
      description: 'x',
      endpoint: 'gw.example.com',
      status: 'MAINTENANCE',
      intent: 'ACTIVE',
      labels: ['eu'],
    },
    upgradeGateway: { version: '9.9.9' },
    writeBatch: { writes: [{ method: 'PATCH', path: `/tenants/devices/${device}/deactivate` }] },
    createProtocol: { name: 'mine', networkProtocols: [{ protocol: 'UDP', port: '53' }] },
    updateAddress: { address: '10.9.9.9', protocols: [protocol] },
    createResource: { name: 'files', type: 'PRIVATE', description: 'x', addresses, labels: ['eu'] },
    updateResource: { name: 'files', description: 'x', addresses, labels: ['eu'] },
    saveLoadBalancing: { loadBalancingMode: 'AUTOMATIC', gateways: [gateway] },
    createDevice: { name: 'phone', publicKey: publicKeys[1], hardwareId: 'h-1', labels: ['eu'] },
    createPolicy: {
      name: 'p',
      action: true,
      type: 'PRIVATE',
      ...flags,
      devices: [device],
      resources: [resource],
      rule,
    },
    updatePolicy: { name: 'p', action: true, ...flags, devices: [device], resources: [resource], rule },
    reorderPolicies: { type: 'PRIVATE', policies: [policy] },
    createUsers: { email: 'john@example.com', groups: [group] },
    updateUser: { firstName: 'Jane', department: 'Engineering', attributes: { level: 3 }, maxDevices: 2 },
    updateUserRoles: { addedRoles: [role], removedRoles: [] },
    addUserGroup: { groupId: group },
    createGroup: { name: 'Engineering', roles: [role], maxDevices: 3, idpMapping: ['eng'] },
    updateGroup: { name: 'Engineering', roles: [role], maxDevices: 3, idpMapping: ['eng'] },
    updateDevice: { name: 'phone', user, posture: { encrypted: true, os: 'Linux' }, appVersion: '1.2', labels: ['eu'] },
    createAdmissionRule: admissionRule,
    updateAdmissionRule: { ...admissionRule, name: 'Engineers' },
    tryAdmissionRule: { rule: "user.department == 'Engineering'", device, at: '2026-01-15T12:00:00Z' },
    explainAccess: { device, destination: '10.1.2.3', protocol: 'TCP', port: 8080, at: '2026-01-15T12:00:00Z' },
    setLiveTopics: { gateways: [gateway], devices: [device], statistics: [gateway], paths: [device], overview: true },
    updateTenant: {
      name: 'Acme',
      timeZone: 'Europe/Zurich',
      leaseSeconds: 3600,
      drainSeconds: 60,
      localNetwork: 'OPEN',
      otherNames: 'REFUSE',
      auditRetentionDays: 30,
    },
    createProvider: {
      ...{ ...sampleProvider, name: 'Other', label: 'Sign in with Other', scopes: ['openid'], groupsClaim: 'groups' },
      ...{ groupMapping: [{ value: 'staff', group }], emailDomains: ['example.com'], hostedDomains: ['example.com'] },
      ...{ entraTenants: [group], requiredGroup: 'staff', provisioning: true, trustEmail: false, position: 2 },
      ...{ requireAuthTime: true, assuresSecondFactor: false, enabled: true },
    },
    updateProvider: {
      label: 'Acme',
      groupsClaim: 'groups',
      groupMapping: [{ value: 'staff', group }],
      clientSecret: 'y',
    },
    beginProviderSignIn: { page: '/console/devices', fresh: true },
    finishProviderSignIn: { answer: 'code=x&state=y' },
    beginProviderLink: { page: '/console/account' },
    signInWithPassword: { tenant: 'first', email: 'jane@example.com', password: 'no such password' },
    signInWithPasskey: { attempt: 'x', credential },
    signInCli: { code: 'x'.repeat(40), verifier: 'x'.repeat(43), port: 4711 },
    forgotPassword: { tenant: 'first', email: 'jane@example.com' },
    sendTestMail: { user },
    openSignInLink: { secret: 'x'.repeat(40) },
    setPasswordByLink: { secret: 'x'.repeat(40), password: 'umbrella cactus violin' },
    getPasskeyLinkOptions: { secret: 'x'.repeat(40) },
    addPasskeyByLink: { secret: 'x'.repeat(40), attempt: 'x', credential },
    updateMe: { firstName: 'Jane' },
    setMyPassword: { password: 'umbrella cactus violin' },
    addMyPasskey: { attempt: 'x', credential, name: 'Key' },
    confirmTotp: { attempt: 'x', code: '123456' },
    allowCli: { challenge: 'x'.repeat(43), port: 4711, host: 'laptop' },
    addMyDevice: { name: 'phone', publicKey: publicKeys[1] },
    renameMyDevice: { name: 'phone' },
    explainMyAccess: { device, destination: '10.1.2.3', protocol: 'TCP', port: 8080 },
    updateSignInSettings: { slug: 'acme', idleMinutes: 60 },
    createEnrolmentKey: { name: 'phone', user },
    createApiKey: { name: 'k', role: 'AUDITOR', expiresAt: '2099-01-01T00:00:00Z' },
  };
  return bodies[name];
}

/** Ids of the sample in the place of path parameters. */
export function samplePath(path: string, sample: Sample): string {
  const families: Record<string, keyof Sample> = {
    gateways: 'gateway',
    protocols: 'protocol',
    addresses: 'address',
    resources: 'resource',
    devices: 'device',
    policies: 'policy',
    'admission-rules': 'rule',
    'api-keys': 'key',
    'enrolment-keys': 'enrolmentKey',
    users: 'user',
    groups: 'group',
    roles: 'role',
    'sign-in-providers': 'provider',
    providers: 'provider',
  };
  return path
    .replace(/\/([a-z-]+)\/\{id\}/, (_, family: string) => `/${family}/${sample[families[family] ?? 'gateway']}`)
    .replace('{gatewayId}', sample.gateway)
    .replace('{groupId}', sample.group)
    .replace('{userId}', sample.user);
}
