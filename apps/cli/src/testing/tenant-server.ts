import type { OperationName, Policy, RequestBody, ResponseBody } from '@sallyport/contract';
import { type ApiServer, problem, type Reply, type Seen } from './api-server.ts';
import { device, fixtures, gateway, page, role, rule, uuid } from './fixtures.ts';

type Body<N extends OperationName> = RequestBody<N>;
interface Stored<B> {
  readonly id: string;
  body: B;
}
type UserBody = Body<'updateUser'> & { email: string; groups: string[]; roles: string[]; active: boolean };
type ResourceBody = Body<'createResource'> & Body<'saveLoadBalancing'>;

/** A tenant in memory. It implements the operations that export and apply call, with the schemas of the contract. */
export class TenantServer {
  settings: Partial<Body<'updateTenant'>> = {};
  signIn: Partial<Body<'updateSignInSettings'>> = {};
  readonly providers: Stored<Body<'createProvider'>>[] = [];
  readonly gateways: Stored<Body<'createGateway'> & { intent?: string | undefined; relay?: boolean }>[] = [];
  readonly protocols: Stored<Body<'createProtocol'>>[] = [];
  readonly resources: Stored<ResourceBody>[] = [];
  readonly groups: Stored<Body<'createGroup'>>[] = [{ id: uuid(901), body: { name: 'Default Group', roles: [] } }];
  readonly users: Stored<UserBody>[] = [];
  readonly rules: Stored<Body<'createAdmissionRule'>>[] = [];
  readonly policies: Stored<Body<'createPolicy'>>[] = [];
  readonly devices = [device(951, 'laptop'), device(952, 'phone')];
  readonly roles = [role(961, 'Admin', 'ADMIN'), role(962, 'User', 'BASIC'), role(963, 'Auditor', 'AUDITOR')];
  readonly writes: OperationName[] = [];
  /** Number of writes that still succeed. */
  writesLeft = Number.POSITIVE_INFINITY;
  #next = 1000;

  constructor(api: ApiServer) {
    for (const [name, handle] of Object.entries(this.#handlers()))
      api.replies.set(name as OperationName, (seen) => this.#reply(name as OperationName, handle, seen));
  }

  #reply(name: OperationName, handle: Handler, seen: Seen): Reply {
    if (seen.method !== 'GET') {
      if (this.writesLeft-- <= 0) return problem(409, 'in_use', { detail: 'no more' });
      this.writes.push(name);
    }
    const [, , , id = '', , second = ''] = new URL(seen.url, 'http://x').pathname.split('/');
    const body = handle(seen.body as never, id, second);
    const status = body === undefined ? 200 : seen.method === 'POST' ? 201 : 200;
    return { status, body, headers: { etag: '"1"' } };
  }

  #handlers(): Handlers {
    const make = <B>(list: Stored<B>[], body: B): Stored<B> => {
      const stored = { id: uuid(this.#next++), body };
      list.push(stored);
      return stored;
    };
    const drop = (list: Stored<unknown>[], id: string) => void list.splice(list.indexOf(get(list, id)), 1);
    const change = <B>(list: Stored<B>[], id: string, more: Partial<B>) => {
      const stored = get(list, id);
      stored.body = { ...stored.body, ...more };
      return stored;
    };
    const user = (id: string) => get(this.users, id).body;
    const tenant = () => ({ ...fixtures.answers.getTenant, ...this.settings }) as ResponseBody<'getTenant'>;
    const signIn = () =>
      ({ ...fixtures.answers.getSignInSettings, ...this.signIn }) as ResponseBody<'getSignInSettings'>;
    return {
      getTenant: tenant,
      updateTenant: (body) => {
        this.settings = { ...this.settings, ...body };
        return tenant();
      },
      getSignInSettings: signIn,
      updateSignInSettings: (body) => {
        this.signIn = { ...this.signIn, ...body };
        return signIn();
      },
      listProviders: () => this.providers.map((p) => this.#provider(p)),
      getProvider: (_, id) => this.#provider(get(this.providers, id)),
      createProvider: (body) => this.#provider(make(this.providers, body)),
      updateProvider: (body, id) => this.#provider(change(this.providers, id, body as Body<'createProvider'>)),
      deleteProvider: (_, id) => drop(this.providers, id),
      listGateways: () => this.gateways.map(asGateway),
      getGateway: (_, id) => asGateway(get(this.gateways, id)),
      createGateway: (body) => asGateway(make(this.gateways, body)),
      updateGateway: (body, id) => asGateway(change(this.gateways, id, body)),
      enableRelay: (_, id) => asGateway(change(this.gateways, id, { relay: true })),
      disableRelay: (_, id) => asGateway(change(this.gateways, id, { relay: false })),
      deleteGateway: (_, id) => drop(this.gateways, id),
      listProtocols: () => this.#protocols(),
      createProtocol: (body) => asProtocol(make(this.protocols, body)),
      deleteProtocol: (_, id) => drop(this.protocols, id),
      listResources: () => page(this.resources.map((r) => this.#resource(r))),
      getResource: (_, id) => this.#resource(get(this.resources, id)),
      createResource: (body) =>
        this.#resource(make(this.resources, { ...body, loadBalancingMode: 'MANUAL', gateways: [] })),
      updateResource: ({ type: _, ...body }, id) => this.#resource(change(this.resources, id, body)),
      saveLoadBalancing: (body, id) => this.#resource(change(this.resources, id, body)),
      deleteResource: (_, id) => drop(this.resources, id),
      listGroups: () => page(this.groups.map((g) => this.#group(g))),
      getGroup: (_, id) => this.#group(get(this.groups, id)),
      createGroup: (body) => this.#group(make(this.groups, body)),
      updateGroup: (body, id) => this.#group(change(this.groups, id, body)),
      deleteGroup: (_, id) => drop(this.groups, id),
      listUsers: () => page(this.users.map((u) => this.#user(u))),
      getUser: (_, id) => this.#user(get(this.users, id)),
      createUsers: (body) => {
        const { email = '', groups = [] } = [body].flat()[0] ?? {};
        const in_ = groups.length === 0 ? [uuid(901)] : groups.map(String);
        return this.#user(make(this.users, { email, groups: in_, roles: [], active: true }));
      },
      updateUser: (body, id) => this.#user(change(this.users, id, body)),
      deactivateUser: (_, id) => this.#user(change(this.users, id, { active: false })),
      reactivateUser: (_, id) => this.#user(change(this.users, id, { active: true })),
      deleteUser: (_, id) => drop(this.users, id),
      listUserRoles: (_, id) => user(id).roles.map((r) => get(this.roles, r)),
      updateUserRoles: ({ addedRoles, removedRoles }, id) => {
        user(id).roles = [...user(id).roles.filter((r) => !removedRoles.includes(r)), ...addedRoles.map(String)];
      },
      addUserGroup: ({ groupId }, id) => void user(id).groups.push(groupId),
      removeUserGroup: (_, id, groupId) => void user(id).groups.splice(user(id).groups.indexOf(groupId), 1),
      listRoles: () => this.roles,
      listDevices: () => page(this.devices),
      listAdmissionRules: () => this.#rules(),
      getAdmissionRule: (_, id) => get(this.#rules(), id),
      createAdmissionRule: (body) => asRule(make(this.rules, body)),
      updateAdmissionRule: (body, id) => asRule(change(this.rules, id, body)),
      deleteAdmissionRule: (_, id) => drop(this.rules, id),
      listPolicies: () => this.#policies(),
      getPolicy: (_, id) => get(this.#policies(), id),
      createPolicy: (body) => get(this.#policies(make(this.policies, body)), this.policies.at(-1)?.id ?? ''),
      updatePolicy: (body, id) => get(this.#policies(change(this.policies, id, body)), id),
      deletePolicy: (_, id) => drop(this.policies, id),
      reorderPolicies: ({ policies }) => {
        const sorted = this.policies.toSorted((a, b) => policies.indexOf(a.id) - policies.indexOf(b.id));
        this.policies.splice(0, sorted.length, ...sorted);
        return this.#policies();
      },
    };
  }

  #protocols() {
    const builtIn = { id: uuid(921), name: 'HTTPS', networkProtocols: [{ protocol: 'TCP' as const, port: '443' }] };
    return [{ ...builtIn, type: 'PREDEFINED' as const }, ...this.protocols.map(asProtocol)];
  }

  #resource({ id, body }: Stored<ResourceBody>): ResponseBody<'getResource'> {
    const addresses = body.addresses.map(({ address, protocols }, index) => ({
      ...{ id: uuid(5000 + index), address, isIp: true, type: body.type },
      protocols: protocols.map((p) => get(this.#protocols(), String(p))),
    }));
    const gateways = body.gateways.map((g) => asGateway(get(this.gateways, g)));
    const { name, type, loadBalancingMode, labels } = body;
    const labelled = labels ? { labels } : {};
    return { id, ...stamps, name, type, loadBalancingMode, ...described(body), ...labelled, addresses, gateways };
  }

  #provider({ id, body }: Stored<Body<'createProvider'>>): ResponseBody<'getProvider'> {
    const { clientSecret, groupMapping = [], ...rest } = body;
    const plain = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
    const groups = groupMapping.map(({ value, group }) => {
      const { id: of, body: named } = get(this.groups, String(group));
      return { value, group: { id: of, name: named.name } };
    });
    return {
      ...{ id, ...stamps, ...plain, hasClientSecret: clientSecret != null, groupMapping: groups },
    } as ResponseBody<'getProvider'>;
  }

  #group({ id, body }: Stored<Body<'createGroup'>>): ResponseBody<'getGroup'> {
    const { name, maxDevices = 5, isSamlDefaultGroup = false, idpMapping = [] } = body;
    const roles = body.roles.map((r) => get(this.roles, String(r)));
    const own = { id, name, deleteable: id !== uuid(901), maxDevices, isSamlDefaultGroup, idpMapping };
    return { ...own, ...stamps, ...described(body), roles, users: [] };
  }

  #user({ id, body }: Stored<UserBody>): ResponseBody<'getUser'> {
    const { email, groups, roles, active, maxDevices = null, ...rest } = body;
    const profile = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
    return {
      ...{ id, ...stamps, email, status: active ? ('INVITED' as const) : ('DEACTIVATED' as const), isOwner: false },
      ...{ maxDevices, ...profile, devices: [], roles: roles.map((r) => get(this.roles, r)) },
      groups: groups.map((g) => ({ id: g, ...stamps, name: get(this.groups, g).body.name })),
    };
  }

  #rules(): ResponseBody<'listAdmissionRules'> {
    return [{ ...rule(971, 'Admission without Restrictions'), type: 'ALLOW' }, ...this.rules.map(asRule)];
  }

  /** Returns all policies and the default policy. Each type has its own order. */
  #policies(_?: unknown): Policy[] {
    const internet: Stored<Body<'createPolicy'>> = {
      id: uuid(981),
      body: { name: 'Default Internet Access Policy', type: 'INTERNET', action: true, mode: 'LOCAL', allUsers: true },
    };
    const orders = new Map<string, number>();
    return [...this.policies, internet].map(({ id, body }) => {
      const order = (orders.get(body.type) ?? 0) + 1;
      orders.set(body.type, order);
      const {
        rule: ruleId,
        description: _d,
        mode,
        groups,
        users,
        devices,
        resources,
        gateways,
        sourceIps,
        ...plain
      } = body;
      const { allGroups = false, allUsers = false, allDevices = false, allResources = false } = body;
      const flags = { allGroups, allUsers, allDevices, allResources };
      return {
        ...{ id, ...stamps, order, isDefault: id === uuid(981), ...plain, ...flags, ...described(body) },
        ...(mode ? { mode } : {}),
        groups: (groups ?? []).map((g) => this.#group(get(this.groups, String(g)))),
        users: (users ?? []).map((u) => ({ ...this.#user(get(this.users, String(u))), maxDevices: 5 })),
        devices: (devices ?? []).map((d) => get(this.devices, String(d))),
        resources: (resources ?? []).map((r) => this.#resource(get(this.resources, String(r)))),
        gateways: (gateways ?? []).map((g) => asGateway(get(this.gateways, String(g)))),
        sourceIps: sourceIps ?? [],
        rule: get(this.#rules(), typeof ruleId === 'string' ? ruleId : uuid(971)),
      };
    });
  }
}

type Handlers = { [N in OperationName]?: (body: RequestBody<N>, id: string, second: string) => unknown };
/** Handles one operation. The server has validated the body. */
type Handler = (body: never, id: string, second: string) => unknown;

const at = '2026-11-01T10:00:00.000Z';
const stamps = { createdAt: at, updatedAt: at };

function get<T extends { readonly id: string }>(all: readonly T[], id: string): T {
  const found = all.find((one) => one.id === id);
  if (found === undefined) throw new Error(`the test refers to ${id}, which is not there`);
  return found;
}

const described = ({ description }: { description?: string | null | undefined }) =>
  description ? { description } : {};

function asGateway({ id, body }: TenantServer['gateways'][number]): ResponseBody<'getGateway'> {
  const { description: _, endpoint: __, labels: ___, ...rest } = gateway(1, body.name);
  const {
    endpoint,
    masquerade = true,
    intent = 'ACTIVE',
    relay = false,
    wireguardPort,
    relayPorts,
    mtu,
    dnsServers,
    network,
    labels,
  } = body;
  return {
    ...{ ...rest, id, wireguardPort, masquerade, relayEnabled: relay, ...described(body) },
    ...(relayPorts ? { relayPorts } : {}),
    ...(endpoint ? { endpoint } : {}),
    ...(mtu ? { mtu } : {}),
    ...(dnsServers && dnsServers.length > 0 ? { dnsServers } : {}),
    ...(network ? { network } : {}),
    ...(labels ? { labels } : {}),
    intent: intent === 'MAINTENANCE' || intent === 'OFFLINE' ? intent : 'ACTIVE',
  };
}

function asProtocol({ id, body }: TenantServer['protocols'][number]): ResponseBody<'getProtocol'> {
  return { id, name: body.name ?? 'unnamed', networkProtocols: body.networkProtocols, type: 'CUSTOM' };
}

function asRule({ id, body }: TenantServer['rules'][number]): ResponseBody<'getAdmissionRule'> {
  const { timeZone, ...rest } = body;
  return { id, ...stamps, ...rest, type: 'CUSTOM', ...(timeZone ? { timeZone } : {}) };
}
