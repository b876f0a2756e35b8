import { Pace } from '../../budgets/pace.ts';
import type { SharedSpending } from '../../budgets/shared-spending.ts';
import { scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import type { Handlers, RequestContext } from '../../http/handlers.ts';
import { changeDevice, createDevice, removeOwnDevice } from '../../objects/devices/commands.ts';
import { type ConfigurationDeps, createDeviceConfigurations } from '../../objects/devices/configurations.ts';
import type { DeviceQueries } from '../../objects/devices/queries.ts';
import { type Asking, explainMine, myResources } from './reach.ts';

/** What the operations on a person's own devices need. */
export interface MyDeviceDeps extends ConfigurationDeps {
  readonly spending: Pick<SharedSpending, 'share'>;
  readonly devices: DeviceQueries;
  /** WireGuard keys of the controller itself, base64. */
  readonly reservedKeys: ReadonlySet<string>;
}

type MyDeviceOperation =
  | 'listMyDevices'
  | 'addMyDevice'
  | 'renameMyDevice'
  | 'removeMyDevice'
  | 'getMyDeviceConfiguration'
  | 'listMyResources'
  | 'explainMyAccess';

/** The devices of the person who calls. Every query and every write is scoped to that person. */
export const myDeviceFeature = { routes: myDeviceRoutes };

/** A deleted device's addresses rest for a while: one person must not use up those of the tenant. */
const writeLimit = {
  name: 'own devices',
  burst: 20,
  restMs: 10_000,
  refusal: 'A person may change own devices 20 times at once',
};

/** Both walk through policies and resources. */
const askLimit = {
  name: 'own access',
  burst: 30,
  restMs: 1_000,
  refusal: 'A person may ask for the own access 30 times at once',
};

function myDeviceRoutes(deps: MyDeviceDeps): Handlers<MyDeviceOperation> {
  const { store, devices, reservedKeys } = deps;
  const configurationOf = createDeviceConfigurations(deps);
  const writes = new Pace(writeLimit, deps.spending);
  const writer = (context: RequestContext): string => {
    const person = personOf(context);
    writes.begin(person, store.now());
    return person;
  };
  const asks = new Pace(askLimit, deps.spending);
  const asker = (context: RequestContext): Asking => {
    const person = personOf(context);
    asks.begin(person, store.now());
    return { tenant: context.tenant, person };
  };
  const answer = (tx: Tx, id: string, owner: string) => devices.get(tx.scoped, id, owner);
  return {
    listMyDevices: {
      read: (context, { query }) =>
        store.read(async (db) => ({
          body: await devices.listOwn(scoped(db, context.tenant), personOf(context), query),
        })),
    },
    addMyDevice: {
      write: async (tx, context, { body }) => {
        const owner = writer(context);
        return answer(tx, await createDevice(tx, { ...body, user: owner }, reservedKeys, null), owner);
      },
    },
    renameMyDevice: {
      write: async (tx, context, { params, body }) => {
        const owner = writer(context);
        await changeDevice(tx, context, params.id, { name: body.name }, owner);
        return answer(tx, params.id, owner);
      },
    },
    removeMyDevice: {
      write: async (tx, context, { params }) => {
        await removeOwnDevice(tx, context, params.id, writer(context));
        return { body: undefined };
      },
    },
    getMyDeviceConfiguration: {
      read: async (context, { params, query }) => ({
        body: await configurationOf({ tenant: context.tenant, id: params.id, owner: personOf(context) }, query),
      }),
    },
    listMyResources: {
      read: async (context, { query }) => ({ body: await myResources(deps, asker(context), query) }),
    },
    explainMyAccess: {
      read: async (context, { body }) => ({ body: await explainMine(deps, asker(context), body) }),
    },
  };
}

/** The id of the person who calls. Operations of this file need the right `self`, which only people have. */
const personOf = ({ caller }: RequestContext): string => caller.actor.id;
