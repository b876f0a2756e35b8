import type { TestContext } from 'node:test';
import type { TestAgent } from './agent.ts';
import { type Tenant, World } from './harness.ts';
import { deviceKey } from './keys.ts';

/** One tenant with a gateway, through which one device reaches one web server. */
export interface SmallWorld {
  readonly world: World;
  readonly tenant: Tenant;
  /** The answer of POST. */
  readonly gateway: { readonly id: string; readonly token: string };
  /** API path of the gateway. */
  readonly path: string;
  readonly resource: { readonly id: string };
  readonly device: { readonly id: string };
  readonly policy: { readonly id: string };
  /** The gateway's host; its agent does not run yet. */
  readonly host: TestAgent;
}

/** `leaseMs`: the tenant's setting, by default a day. */
export async function openSmallWorld(t: TestContext, { leaseMs }: { leaseMs?: number } = {}): Promise<SmallWorld> {
  const world = await World.open(t);
  const tenant = await world.controller.tenant('first');
  if (leaseMs !== undefined)
    await world.controller.store.db.updateTable('tenants').set({ lease_ms: leaseMs }).execute();
  return furnish(world, tenant);
}

/** Creates a small world in a tenant. */
export async function furnish(world: World, tenant: Tenant): Promise<SmallWorld> {
  const post = (path: string, body: object) => world.ok(tenant, 'POST', `/tenants/${path}`, body);
  const gateway = await post('gateways', { name: 'gateway', wireguardPort: '51820' });
  const protocol = await post('protocols', { networkProtocols: [{ protocol: 'TCP', port: '443' }] });
  const addresses = [{ address: '10.1.2.3', protocols: [protocol.id] }];
  const resource = await post('resources', { name: 'web', type: 'PRIVATE', addresses });
  const attach = { loadBalancingMode: 'MANUAL', gateways: [gateway.id] };
  await world.ok(tenant, 'PUT', `/tenants/resources/${resource.id}/load-balancing`, attach);
  const publicKey = deviceKey(tenant.id);
  const device = await post('devices', { name: 'laptop', publicKey });
  const allow = { name: 'allow', action: true, type: 'PRIVATE', devices: [device.id], resources: [resource.id] };
  const policy = await post('policies', allow);
  const host = world.host(gateway.token);
  return { world, tenant, gateway, path: `/tenants/gateways/${gateway.id}`, resource, device, policy, host };
}

/** Returns the status of the gateway. */
export async function statusOf({ world, tenant, path }: SmallWorld): Promise<string> {
  return (await world.ok(tenant, 'GET', path)).status;
}

/** Waits for a status; returns how long it took, in milliseconds. */
export function statusIs(small: SmallWorld, status: string, withinMs?: number): Promise<number> {
  return small.world.until(status, async () => (await statusOf(small)) === status, withinMs);
}

/** Starts the agent and waits until the gateway is ONLINE. */
export async function bringUp(small: SmallWorld): Promise<void> {
  small.host.start();
  await statusIs(small, 'ONLINE');
}

/** Returns whether the items in force on the host admit the device. */
export function admits({ host, device }: Pick<SmallWorld, 'host' | 'device'>): boolean {
  const item = host.plane.inForce.get(`device/${device.id}`);
  const profile = item?.kind === 'device' ? host.plane.inForce.get(`profile/${item.profile}`) : undefined;
  return profile?.kind === 'profile' && profile.cells.length > 0;
}

/** Returns the revision of a tenant's row. */
export async function revisionOf(world: World, tenant: Tenant): Promise<number> {
  const rows = await world.controller.store.db.selectFrom('tenants').select(['id', 'revision']).execute();
  return rows.find(({ id }) => id === tenant.id)?.revision ?? Number.NaN;
}
