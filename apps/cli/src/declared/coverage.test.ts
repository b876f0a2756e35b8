import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Operation, type OperationName, operations } from '@sallyport/contract';
import { exportedValue } from './export.ts';
import { families, fieldNames } from './families.ts';
import { type Items, type Live, type Request, type SectionName, sectionNames } from './items.ts';
import type { Tenant } from './tenant.ts';

/** Writes that a file does not make, and why. */
const NOT_DECLARED: Partial<Record<OperationName, string>> = {
  createDevice: 'a device makes its key where it is, so a file cannot bring it back',
  updateDevice: 'a file does not hold devices',
  createEnrolmentKey: 'the key is a secret that is shown once',
  createApiKey: 'the key is a secret that is shown once',
  updateAddress: 'addresses are written with their resource',
  reorderPolicies: 'the order of policies in the file is their order',
  explainAccess: 'it writes nothing',
  setLiveTopics: 'it chooses what a stream shows',
  writeBatch: 'a file makes the writes that it needs, each by its own operation',
  tryAdmissionRule: 'it writes nothing',
  signInWithPassword: 'it is how a person comes in',
  signInWithPasskey: 'it is how a person comes in',
  signInCli: 'it is how a person comes in',
  allowCli: 'it is how a person comes in',
  openSignInLink: 'it writes nothing',
  forgotPassword: 'it is how a person comes in',
  sendTestMail: 'it writes nothing',
  setPasswordByLink: 'a password is a secret of its person',
  getPasskeyLinkOptions: 'it writes nothing',
  addPasskeyByLink: 'a passkey belongs to a device of its person',
  updateMe: 'a person changes the own name; files write users',
  setMyPassword: 'a password is a secret of its person',
  addMyPasskey: 'a passkey belongs to a device of its person',
  confirmTotp: 'the secret of an authenticator app is shown once',
  addMyDevice: 'a device makes its key where it is, so a file cannot bring it back',
  explainMyAccess: 'it writes nothing',
  upgradeGateway: 'it starts a process on a host once',
  renameMyDevice: 'a file does not hold devices',
  beginProviderSignIn: 'it is how a person comes in',
  finishProviderSignIn: 'it is how a person comes in',
  beginProviderLink: 'a person links the own account',
};

/** Fields that a file does not have, and why. */
const NOT_FIELDS: Readonly<Record<string, string>> = {
  'updateGateway.status': 'it is another spelling of intent',
  'updateResource.type': 'the type of a resource cannot change',
};

/** Fields that a file may have and an export leaves out, and why. */
const NOT_EXPORTED: Readonly<Record<string, string>> = {
  'settings.name': 'applying a file to another tenant must not rename that one',
  'signIn.slug': 'it is unique on its controller',
  'providers.clientSecret': 'it is in no answer; a file names where it comes from',
};

/** An object of each kind, with a value in every field that is not its default. */
const rich: Items = {
  settings: {
    name: 'n',
    timeZone: 'Europe/Zurich',
    leaseSeconds: 300,
    drainSeconds: 9,
    localNetwork: 'OPEN',
    otherNames: 'REFUSE',
    mtu: 1400,
    auditRetentionDays: 30,
  },
  signIn: {
    slug: 's',
    methods: ['PASSKEY'],
    secondFactor: 'REQUIRED',
    idleMinutes: 5,
    absoluteHours: 6,
    notices: ['SESSIONS'],
  },
  providers: {
    ...{ name: 'p', label: 'l', issuer: 'https://id.example.com', clientId: 'c', clientSecret: { from: 'env:X' } },
    ...{ scopes: ['openid'], groupsClaim: 'groups', groupMapping: [{ value: 'v', group: 'g' }], requiredGroup: 'v' },
    ...{ emailDomains: ['example.com'], hostedDomains: ['example.com'], entraTenants: ['t'], position: 3 },
    ...{ provisioning: true, trustEmail: true, requireAuthTime: false, assuresSecondFactor: true, enabled: false },
  },
  gateways: {
    ...{ name: 'g', description: 'd', port: '51999', endpoint: 'vpn.example.com', masquerade: false },
    ...{ intent: 'MAINTENANCE', relay: true, relayPorts: '53000-53999', mtu: 1200, labels: ['eu'] },
    ...{ dnsServers: ['10.0.0.53:5353 corp.example'], network: 'berlin' },
  },
  protocols: { name: 'p', ports: ['TCP 1'] },
  resources: {
    ...{ name: 'r', type: 'SAAS', description: 'd', mode: 'AUTOMATIC', gateways: ['a'], labels: ['eu'] },
    addresses: [{ address: '10.0.0.1', protocols: ['b'] }],
  },
  groups: { name: 'g', description: 'd', roles: ['c'], maxDevices: 7, isSamlDefaultGroup: true, idpMapping: ['x'] },
  users: {
    ...{ email: 'a@example.com', groups: ['d'], roles: ['e'], active: false, firstName: 'f', lastName: 'l' },
    ...{ image: '/i', department: 'x', attributes: { a: 1 }, maxDevices: 3 },
  },
  rules: { name: 'r', rule: 'time.hour > 8', hasTimeConstraint: true, timeZone: 'Europe/Zurich' },
  policies: {
    ...{ name: 'p', type: 'SAAS', description: 'd', action: 'allow', mode: 'LOCAL', rule: 'f', users: ['g'] },
    ...{ groups: ['h'], devices: ['i'], resources: ['j'], gateways: ['k'], sourceIps: ['10.0.0.0/8'] },
  },
};

/** What a family can send to write one object. */
function requestsOf<S extends SectionName>(section: S): Request[] {
  const family = families[section];
  const item = rich[section];
  const before = { ...item, groups: [], roles: [], relay: false, active: true };
  const changes = family.change('id', before, item, new Set(fieldNames(family)));
  return family.single === true ? changes : [family.create(item), ...family.finish('id', item), ...changes];
}

interface Shaped {
  readonly shape?: Readonly<Record<string, unknown>>;
  readonly options?: readonly Shaped[];
}

/** Fields of the body of an operation; of its first form where there are several. */
function bodyFields(name: OperationName): string[] {
  const { body }: Operation = operations[name];
  const shaped = body as Shaped | undefined;
  return Object.keys(shaped?.shape ?? shaped?.options?.[0]?.shape ?? {});
}

test('every writable field of the contract is in the file format, or is excluded for a reason', () => {
  const sent = new Map<string, Set<string>>();
  for (const { name, body } of sectionNames.flatMap((section) => requestsOf(section))) {
    const fields = sent.get(name) ?? new Set();
    for (const field of Object.keys(body ?? {})) fields.add(field);
    sent.set(name, fields);
  }
  const names = Object.keys(operations) as OperationName[];
  const writes = names.filter((name) => 'body' in operations[name] && NOT_DECLARED[name] === undefined);
  assert.ok(writes.length >= 14, `only ${writes.length} writes are checked`);
  const missing = writes.flatMap((name) =>
    bodyFields(name).flatMap((field) => {
      const known = sent.get(name)?.has(field) === true || `${name}.${field}` in NOT_FIELDS;
      return known ? [] : [`${name}.${field}`];
    }),
  );
  assert.deepEqual(missing, [], 'put these into the declared families, or into the lists above with a reason');
});

test('every excluded field exists', () => {
  for (const name of Object.keys(NOT_DECLARED)) assert.ok(name in operations, name);
  for (const [name = '', field = ''] of Object.keys(NOT_FIELDS).map((path) => path.split('.')))
    assert.ok(bodyFields(name as OperationName).includes(field), `${name}.${field}`);
});

test('every field of a file is exported, or is excluded for a reason', () => {
  const live = <S extends SectionName>(section: S): Live<Items[S]>[] => [
    { id: '0', item: rich[section], builtIn: families[section].showsBuiltIn },
  ];
  const tenant: Tenant = {
    sections: {
      ...{ settings: live('settings'), signIn: live('signIn'), providers: live('providers') },
      ...{ gateways: live('gateways'), protocols: live('protocols') },
      ...{ resources: live('resources'), groups: live('groups'), users: live('users') },
      ...{ rules: live('rules'), policies: live('policies') },
    },
    devices: [],
    roles: [],
  };
  const exported = exportedValue(tenant) as Record<string, unknown>;
  const missing = sectionNames.flatMap((section) => {
    const entry = [exported[section]].flat()[0] as object;
    const absent = Object.keys(families[section].fields).filter((field) => !(field in entry));
    return absent.map((field) => `${section}.${field}`).filter((path) => !(path in NOT_EXPORTED));
  });
  assert.deepEqual(missing, []);
});
