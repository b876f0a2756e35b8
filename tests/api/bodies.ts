import type { Landscape } from './landscape.ts';

/** Bodies of one request. */
export interface Bodies {
  /** The required fields only. */
  readonly least: Readonly<Record<string, unknown>>;
  /** A value for each optional field. */
  readonly optional: Readonly<Record<string, unknown>>;
  /** Fields that only another object accepts: the whole body, and the path if it differs. */
  readonly elsewhere?: Readonly<
    Record<string, { readonly path?: string; readonly body: Readonly<Record<string, unknown>> }>
  >;
}

/** Bodies of each request of the reference, by its name. */
export function bodiesOf(land: Landscape): Readonly<Record<string, Bodies>> {
  const { gateway, protocol, resource, device, policy, rule, user, group, role } = land;
  const addresses = [{ address: '10.9.9.9', protocols: [protocol] }];
  const flags = { allGroups: false, allUsers: false, allDevices: false, allResources: false };
  const members = { groups: [group], users: [user], devices: [device], resources: [resource] };
  const way = { mode: 'INTERNET_ACCESS_POINT', gateways: [gateway] };
  const site = { sourceIps: ['10.0.0.0/8'], gateways: [gateway], resources: [resource] };
  const ofPolicy = { name: 'p', action: true, ...flags };
  const internetPolicy = `/tenants/policies/${land.internetPolicy}`;
  const gatewayBody = { name: 'Munich', wireguardPort: '51821' };
  const gatewayMore = { description: 'x', endpoint: 'gw.example.com' };
  const groupBody = { roles: [role], name: 'Marketing Team' };
  const ruleBody = { rule: "user.department == 'Sales'", name: 'sales', hasTimeConstraint: false };
  return {
    CreateGateway: { least: gatewayBody, optional: gatewayMore },
    UpdateGateway: { least: gatewayBody, optional: { ...gatewayMore, status: 'MAINTENANCE' } },
    CreateResource: { least: { name: 'files', type: 'PRIVATE', addresses }, optional: { description: 'x' } },
    UpdateResource: { least: { name: 'files', type: 'PRIVATE', addresses }, optional: { description: 'x' } },
    LoadBalancing: { least: { loadBalancingMode: 'AUTOMATIC', gateways: [gateway] }, optional: {} },
    UpdateAddress: { least: { protocols: [protocol], address: '10.9.9.8' }, optional: {} },
    CreateProtocol: {
      least: { networkProtocols: [{ protocol: 'TCP', port: '8443' }] },
      optional: { name: 'Custom Web Services' },
    },
    CreatePolicy: {
      least: { name: 'p', action: true, type: 'PRIVATE', ...flags },
      optional: { description: 'x', ...members, rule },
      elsewhere: {
        mode: { body: { ...ofPolicy, ...way, type: 'INTERNET' } },
        gateways: { body: { ...ofPolicy, ...way, type: 'INTERNET' } },
        sourceIps: { body: { ...ofPolicy, ...site, type: 'SITETOSITE' } },
      },
    },
    UpdatePolicy: {
      least: { rule, name: 'p', ...flags, action: true },
      optional: { description: 'x', ...members },
      elsewhere: {
        mode: { path: internetPolicy, body: { ...ofPolicy, ...way, rule } },
        gateways: { path: internetPolicy, body: { ...ofPolicy, ...way, rule } },
        sourceIps: { path: `/tenants/policies/${land.sitePolicy}`, body: { ...ofPolicy, ...site, rule } },
      },
    },
    ReorderPolicies: { least: { type: 'PRIVATE', policies: [policy] }, optional: {} },
    CreateAdmissionRule: { least: ruleBody, optional: {} },
    UpdateAdmissionRule: { least: ruleBody, optional: {} },
    CreateUser: { least: { email: 'mary@example.com', groups: [group] }, optional: {} },
    UpdateUser: { least: {}, optional: { firstName: 'Jane', lastName: 'Smith', image: '/avatars/jane.jpg' } },
    UpdateUserRoles: { least: { addedRoles: [role], removedRoles: [] }, optional: {} },
    AddUserGroup: { least: { groupId: group }, optional: {} },
    CreateGroup: { least: groupBody, optional: { description: 'x' } },
    UpdateGroup: { least: groupBody, optional: { description: 'x' } },
  };
}
