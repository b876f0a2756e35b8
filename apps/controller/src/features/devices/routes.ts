import { gatewaysFor, type World } from '@sallyport/policy';
import { scoped } from '../../db/scoped.ts';
import type { Store, Tx } from '../../db/store.ts';
import { EndpointNames } from '../../egress/endpoint-names.ts';
import type { EgressSettings } from '../../egress/targets.ts';
import { ApiError, notFound } from '../../errors.ts';
import type { Handlers } from '../../http/handlers.ts';
import { changeDevice, createDevice, removeDevice, setActive } from '../../objects/devices/commands.ts';
import { deviceConfiguration } from '../../objects/devices/configuration.ts';
import { withRulesMet } from '../../objects/devices/potential.ts';
import type { DeviceQueries } from '../../objects/devices/queries.ts';
import { findDevice } from '../../objects/devices/store.ts';
import type { GatewayQueries } from '../../objects/gateways/queries.ts';

/** Source of a tenant's world, which holds everything that was committed before the call. */
export interface Worlds {
  world(tenant: string): Promise<World>;
}

/** What the operations on devices need. */
export interface DeviceRouteDeps {
  readonly store: Store;
  readonly devices: DeviceQueries;
  readonly gateways: Pick<GatewayQueries, 'nested'>;
  readonly worlds: Worlds;
  readonly egress: EgressSettings;
  /** WireGuard keys of the controller itself, base64. */
  readonly reservedKeys: ReadonlySet<string>;
}

type DeviceOperation =
  | 'createDevice'
  | 'listDevices'
  | 'getDevice'
  | 'updateDevice'
  | 'deleteDevice'
  | 'deactivateDevice'
  | 'reactivateDevice'
  | 'getDeviceConfiguration';

/** Devices and their configurations. */
export const deviceFeature = { routes: deviceRoutes };

function deviceRoutes(deps: DeviceRouteDeps): Handlers<DeviceOperation> {
  const { store, devices, reservedKeys } = deps;
  const names = new EndpointNames(deps.egress, store.now);
  const answer = (tx: Tx, id: string) => devices.get(tx.scoped, id);
  return {
    createDevice: { write: async (tx, _context, { body }) => answer(tx, await createDevice(tx, body, reservedKeys)) },
    listDevices: {
      read: ({ tenant }, { query }) =>
        store.read(async (db) => ({ body: await devices.list(scoped(db, tenant), query) })),
    },
    getDevice: { read: ({ tenant }, { params }) => devices.get(scoped(store.db, tenant), params.id) },
    updateDevice: {
      write: async (tx, context, { params, body }) => {
        await changeDevice(tx, context, params.id, body);
        return answer(tx, params.id);
      },
    },
    deleteDevice: {
      write: async (tx, context, { params }) => {
        await removeDevice(tx, context, params.id);
        return { body: undefined };
      },
    },
    deactivateDevice: {
      write: async (tx, context, { params }) => {
        await setActive(tx, context, params.id, false);
        return answer(tx, params.id);
      },
    },
    reactivateDevice: {
      write: async (tx, context, { params }) => {
        await setActive(tx, context, params.id, true);
        return answer(tx, params.id);
      },
    },
    getDeviceConfiguration: {
      read: async ({ tenant }, { params, query }) => {
        const parts = await configurationParts(deps, tenant, params.id);
        const given = { ...parts, ipv6: query.ipv6 !== 'false' };
        return { body: await deviceConfiguration(given, (name) => names.of(name)) };
      },
    },
  };
}

async function configurationParts({ store, gateways, worlds }: DeviceRouteDeps, tenant: string, id: string) {
  const world = await worlds.world(tenant);
  return store.read(async (db) => {
    const own = scoped(db, tenant);
    const device = await findDevice(own, id);
    if (device === undefined) throw notFound();
    if (device.identity_key !== null) throw new ApiError('native_device');
    const reach = gatewaysFor(withRulesMet(world), id, store.now());
    return { device, world, reach, gateways: await gateways.nested(own, [...reach.keys()]) };
  });
}
