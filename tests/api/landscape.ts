import assert from 'node:assert/strict';
import type { RequestBody } from '@sallyport/contract';
import { makers } from '../../apps/controller/src/testing/api.ts';
import { present } from '../../apps/controller/src/testing/channel.ts';
import type { TestApp } from '../../apps/controller/src/testing/harness.ts';
import { defaultGroup, makeOwner, roleOf } from '../../apps/controller/src/testing/people.ts';

/** Ids of one tenant that has an object of every kind. */
export interface Landscape {
  readonly gateway: string;
  readonly protocol: string;
  /** An unused object. */
  readonly spareProtocol: string;
  readonly resource: string;
  readonly address: string;
  readonly device: string;
  readonly policy: string;
  readonly internetPolicy: string;
  readonly sitePolicy: string;
  readonly rule: string;
  /** An unused object. */
  readonly spareRule: string;
  readonly user: string;
  /** A user who never accepted the invitation. */
  readonly invited: string;
  readonly group: string;
  /** A role of the user. */
  readonly role: string;
  readonly provider: string;
}

/** Creates a tenant through the API. Every field of every answer has a value in one object and no value in another. */
export async function makeLandscape(app: TestApp): Promise<Landscape> {
  const make = makers(app);
  const put = write(app, 'PUT', 200);
  const gateway = await make.gateway('Berlin', { description: 'main site', endpoint: 'vpn.example.com' });
  const bare = await make.gateway('Hamburg');
  const protocol = await make.protocol('8080');
  const spareProtocol = await write(
    app,
    'POST',
    201,
  )('/tenants/protocols', { networkProtocols: [{ protocol: 'ICMP' }] });
  const addresses = [{ address: '10.1.2.3', protocols: [protocol.id] }];
  const resource = await make.resource('web', addresses, { description: 'the intranet' });
  await make.attach(resource.id, [gateway.id]);
  const cloud = await make.resource('cloud', [{ address: 'app.example.com', protocols: [protocol.id] }], {
    type: 'SAAS',
  });
  const videos = await make.resource('videos', [{ address: '198.51.100.7', protocols: [protocol.id] }], {
    type: 'INTERNET',
  });

  const people = await makePeople(app);
  const device = await make.device('laptop', { user: people.user, hardwareId: 'MAC-001122334455' });
  await write(
    app,
    'PATCH',
    200,
  )(`/tenants/devices/${device.id}`, {
    name: 'laptop',
    user: people.user,
    posture: { compliant: true },
    appVersion: '1.2.3',
  });
  const plain = await make.group('Guests');
  const guest = await make.user('guest@example.com', [plain.id]);
  await make.device('tablet', { user: guest.id });
  const lonely = await make.device('printer');

  const rule = await make.rule('engineers', "user.department == 'Engineering'");
  const spareRule = await make.rule('working hours', "time.between('08:00', '18:00')", { hasTimeConstraint: true });
  const policy = await make.policy('engineering', {
    description: 'of the intranet',
    groups: [people.group, plain.id],
    users: [people.user, people.invited],
    devices: [device.id, lonely.id],
    resources: [resource.id],
    rule: rule.id,
  });
  await make.policy('clouds', { type: 'SAAS', allUsers: true, resources: [cloud.id] });
  const internet = { type: 'INTERNET', mode: 'INTERNET_ACCESS_POINT' } as const;
  const wayOut = await make.policy('way out', {
    ...internet,
    allGroups: true,
    resources: [videos.id],
    gateways: [gateway.id],
  });
  const site: Partial<RequestBody<'createPolicy'>> = { type: 'SITETOSITE', sourceIps: ['192.168.7.0/24'] };
  const branch = await make.policy('branch', { ...site, gateways: [bare.id], resources: [resource.id] });
  await put(`/tenants/groups/${people.group}`, {
    name: 'Engineering',
    description: 'who builds',
    roles: [people.role],
  });
  return {
    gateway: gateway.id,
    protocol: protocol.id,
    spareProtocol: spareProtocol.id,
    resource: resource.id,
    address: resource.addresses[0].id,
    device: device.id,
    policy: policy.id,
    internetPolicy: wayOut.id,
    sitePolicy: branch.id,
    rule: rule.id,
    spareRule: spareRule.id,
    provider: await makeProvider(app),
    ...people,
  };
}

/** A provider at an address that the controller never calls. */
async function makeProvider(app: TestApp): Promise<string> {
  const body = { name: 'Acme SSO', issuer: 'https://127.0.0.1:1', clientId: 'sallyport' };
  return (await write(app, 'POST', 201)('/tenants/sign-in-providers', body)).id;
}

/** Sets state that only agents and time produce: a gateway with an error, a device with a connection. */
export async function makeStorm(app: TestApp, { gateway, device, user }: Landscape): Promise<void> {
  const now = app.clock.now;
  await app.parts.directory.deployed(gateway, now);
  await app.parts.directory.observed(gateway, { error: 'the disk is full' });
  app.channel.presences.set(gateway, { ...present, lastSeen: now, error: 'the disk is full' });
  app.channel.handshakes.set(device, now);
  await makeOwner(app, user);
}

/** Repairs the gateway after the storm, with an address that needs no name server. */
export async function makeSunshine(app: TestApp, { gateway }: Landscape): Promise<void> {
  await app.parts.directory.observed(gateway, { error: null });
  const body = { name: 'Berlin', wireguardPort: '51820', endpoint: '127.0.0.1' };
  await write(app, 'PATCH', 200)(`/tenants/gateways/${gateway}`, body);
  app.channel.presences.set(gateway, { ...present, lastSeen: app.clock.now });
  app.channel.probes = [];
}

async function makePeople(app: TestApp) {
  const make = makers(app);
  const role = (await roleOf(app, 'AUDITOR')).id;
  const group = (await make.group('Engineering', { roles: [role], maxDevices: 7, idpMapping: ['engineering'] })).id;
  const user = (await make.user('jane@example.com', [group, (await defaultGroup(app)).id])).id;
  const invited = (await make.user('john@example.com')).id;
  await write(
    app,
    'PUT',
    200,
  )(`/tenants/users/${user}`, {
    firstName: 'Jane',
    lastName: 'Smith',
    image: 'https://example.com/jane.jpg',
    department: 'Engineering',
    maxDevices: 3,
  });
  const roles = { addedRoles: [role], removedRoles: [] };
  await write(app, 'PATCH', 200)(`/tenants/users/${user}/roles`, roles);
  return { group, user, invited, role };
}

const write =
  (app: TestApp, method: 'POST' | 'PUT' | 'PATCH', status: number) => async (path: string, body: object) => {
    const answer = await app.request(method, path, { body });
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
    return answer.json;
  };

const families: Readonly<Record<string, keyof Landscape>> = {
  'sign-in-providers': 'provider',
  gateways: 'gateway',
  protocols: 'protocol',
  addresses: 'address',
  resources: 'resource',
  devices: 'device',
  policies: 'policy',
  'admission-rules': 'rule',
  users: 'user',
  groups: 'group',
  roles: 'role',
};

/** Returns a path of the reference with ids of the landscape. */
export const placed = (path: string, land: Landscape): string =>
  `/tenants${path
    .replace(/\/([a-z-]+)\/\{id\}/, (_, family: string) => `/${family}/${land[families[family] ?? 'gateway']}`)
    .replace('{gatewayId}', land.gateway)
    .replace('{groupId}', land.group)
    .replace('{userId}', land.user)}`;
