import { scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import { type Handlers, JsonText } from '../../http/handlers.ts';
import { changeDevice, createDevice, removeDevice, setActive } from '../../objects/devices/commands.ts';
import { type ConfigurationDeps, createDeviceConfigurations } from '../../objects/devices/configurations.ts';
import type { DeviceQueries } from '../../objects/devices/queries.ts';

/** What the operations on devices need. */
export interface DeviceRouteDeps extends ConfigurationDeps {
  readonly devices: DeviceQueries;
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
  const configurationOf = createDeviceConfigurations(deps);
  const answer = (tx: Tx, id: string) => devices.get(tx.scoped, id);
  return {
    createDevice: { write: async (tx, _context, { body }) => answer(tx, await createDevice(tx, body, reservedKeys)) },
    listDevices: {
      read: ({ tenant }, { query }) =>
        store.read(async (db) => ({ body: new JsonText(await devices.list(scoped(db, tenant), query)) })),
    },
    getDevice: {
      read: async ({ tenant }, { params }) => {
        await devices.gatherPaths([params.id]);
        return devices.get(scoped(store.db, tenant), params.id);
      },
    },
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
      read: async ({ tenant }, { params, query }) => ({
        body: await configurationOf({ tenant, id: params.id }, query),
      }),
    },
  };
}
