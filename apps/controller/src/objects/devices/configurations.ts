import type { DeviceConfiguration, Input } from '@sallyport/contract';
import { gatewaysFor, type World } from '@sallyport/policy';
import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { EndpointNames } from '../../egress/endpoint-names.ts';
import type { EgressSettings } from '../../egress/targets.ts';
import { ApiError, notFound } from '../../errors.ts';
import type { GatewayQueries } from '../gateways/queries.ts';
import { deviceConfiguration } from './configuration.ts';
import { withRulesMet } from './potential.ts';
import { findDevice } from './store.ts';

/** Source of a tenant's world, which holds everything that was committed before the call. */
export interface Worlds {
  world(tenant: string): Promise<World>;
}

/** What the configurations of devices are made from. */
export interface ConfigurationDeps {
  readonly store: Store;
  readonly gateways: Pick<GatewayQueries, 'nested'>;
  readonly worlds: Worlds;
  readonly egress: EgressSettings;
}

/** Whose device a configuration is for. */
export interface Wanted {
  readonly tenant: string;
  readonly id: string;
  /** Only a device of this user; left out: any. */
  readonly owner?: string;
}

/** Returns a function that makes the configuration of a plain device. It throws `not_found` and `native_device`. */
export function createDeviceConfigurations(deps: ConfigurationDeps) {
  const names = new EndpointNames(deps.egress, deps.store.now);
  return async (wanted: Wanted, query: Input<'getDeviceConfiguration'>['query']): Promise<DeviceConfiguration> => {
    const parts = await partsOf(deps, wanted);
    return deviceConfiguration({ ...parts, ipv6: query.ipv6 !== 'false', dns: query.dns !== 'false' }, (name) =>
      names.of(name),
    );
  };
}

async function partsOf({ store, gateways, worlds }: ConfigurationDeps, { tenant, id, owner }: Wanted) {
  const world = await worlds.world(tenant);
  return store.read(async (db) => {
    const own = scoped(db, tenant);
    const device = await findDevice(own, id, owner);
    if (device === undefined) throw notFound();
    if (device.identity_key !== null) throw new ApiError('native_device');
    const reach = gatewaysFor(withRulesMet(world), id, store.now());
    return { device, world, reach, gateways: await gateways.nested(own, [...reach.keys()]) };
  });
}
