import type { Gateway, Group, Policy, Resource, User } from '@sallyport/contract';
import { dnsServerText } from '@sallyport/contract/dns-servers';
import { sectionYaml, type Yaml } from './yaml.ts';

type Item = Record<string, Yaml>;

/** Leaves out fields at their default, as exports do. */
const without = (item: Item, defaults: Item): Item =>
  Object.fromEntries(
    Object.entries(item).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(defaults[key])),
  );

/** Returns a gateway as `sally export` writes it. */
export const gatewayYaml = (g: Gateway): string =>
  sectionYaml(
    'gateways',
    without(
      {
        name: g.name,
        description: g.description ?? '',
        port: Number(g.wireguardPort),
        endpoint: g.endpoint ?? null,
        masquerade: g.masquerade ?? true,
        intent: g.intent ?? 'ACTIVE',
        relay: g.relayEnabled ?? false,
        relayPorts: g.relayPorts ?? '52000-52999',
        mtu: g.mtu ?? null,
        dnsServers: (g.dnsServers ?? []).map(dnsServerText),
        network: g.network ?? null,
        labels: [...(g.labels ?? [])],
      },
      {
        description: '',
        port: 51820,
        endpoint: null,
        masquerade: true,
        intent: 'ACTIVE',
        relay: false,
        relayPorts: '52000-52999',
        mtu: null,
        dnsServers: [],
        network: null,
        labels: [],
      },
    ),
  );

/** Returns a resource as `sally export` writes it. */
export const resourceYaml = (r: Resource): string =>
  sectionYaml(
    'resources',
    without(
      {
        name: r.name,
        type: r.type,
        description: r.description ?? '',
        addresses: r.addresses.map(({ address, protocols }) => ({
          address,
          protocols: protocols.map(({ name }) => name),
        })),
        mode: r.loadBalancingMode,
        gateways: r.gateways.map(({ name }) => name),
        labels: [...(r.labels ?? [])],
      },
      { type: 'PRIVATE', description: '', mode: 'MANUAL', gateways: [], labels: [] },
    ),
  );

/** Returns a group as `sally export` writes it. */
export const groupYaml = (g: Group): string =>
  sectionYaml(
    'groups',
    without(
      {
        name: g.name,
        description: g.description ?? '',
        roles: g.roles.map(({ name }) => name),
        maxDevices: g.maxDevices,
        isSamlDefaultGroup: g.isSamlDefaultGroup,
        idpMapping: [...g.idpMapping],
      },
      { description: '', roles: [], maxDevices: 5, isSamlDefaultGroup: false, idpMapping: [] },
    ),
  );

/** Returns a user as `sally export` writes it. `ownRoles`: names of the roles that no group gives. */
export const userYaml = (u: User, ownRoles: readonly string[]): string =>
  sectionYaml(
    'users',
    without(
      {
        email: u.email ?? '',
        groups: u.groups.map(({ name }) => name),
        roles: [...ownRoles],
        active: u.status !== 'DEACTIVATED',
        firstName: u.firstName ?? null,
        lastName: u.lastName ?? null,
        image: u.image ?? null,
        department: u.department ?? null,
        attributes: (u.attributes ?? []) as Yaml,
        maxDevices: u.maxDevices ?? null,
      },
      {
        groups: [],
        roles: [],
        active: true,
        firstName: null,
        lastName: null,
        image: null,
        department: null,
        attributes: [],
        maxDevices: null,
      },
    ),
  );

/** Returns a policy as `sally export` writes it. */
export const policyYaml = (p: Policy): string => {
  const names = (all: boolean, some: readonly { name?: string; email?: string | undefined }[] = []): Yaml =>
    all ? 'all' : some.map(({ name, email }) => name ?? email ?? '');
  return sectionYaml(
    'policies',
    without(
      {
        name: p.name,
        type: p.type,
        description: p.description ?? '',
        action: p.action ? 'allow' : 'deny',
        mode: p.mode ?? null,
        rule: p.rule?.type === 'CUSTOM' ? p.rule.name : '',
        users: names(p.allUsers, p.users as never),
        groups: names(p.allGroups, p.groups),
        devices: names(p.allDevices, p.devices),
        resources: names(p.allResources, p.resources),
        gateways: (p.gateways ?? []).map(({ name }) => name),
        sourceIps: [...(p.sourceIps ?? [])],
      },
      {
        type: 'PRIVATE',
        description: '',
        mode: null,
        rule: '',
        users: [],
        groups: [],
        devices: [],
        resources: [],
        gateways: [],
        sourceIps: [],
      },
    ),
  );
};
