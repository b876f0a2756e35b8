import type { BeaconKeys } from '../../beacon/keys.ts';
import { Pace } from '../../budgets/pace.ts';
import type { SharedSpending } from '../../budgets/shared-spending.ts';
import type { Channel } from '../../channel/types.ts';
import { type Scoped, scoped } from '../../db/scoped.ts';
import type { Store, Tx } from '../../db/store.ts';
import type { EgressSettings } from '../../egress/targets.ts';
import { notFound } from '../../errors.ts';
import { type Handlers, JsonText, type RequestContext, seesTokens } from '../../http/handlers.ts';
import type { GatewayLists } from '../../objects/gateways/list.ts';
import type { GatewayQueries } from '../../objects/gateways/queries.ts';
import { selectionOf } from '../../objects/gateways/selection.ts';
import { attachedNames, attachedResources, findGateway, type GatewayRow } from '../../objects/gateways/store.ts';
import { readToken } from '../../objects/gateways/token.ts';
import type { SecretBox } from '../../secrets/box.ts';
import type { ControllerIdentity } from '../../secrets/identity.ts';
import { changeGateway, createGateway, rekeyGateway, removeGateway, setRelay } from './commands.ts';
import { outsideWith } from './outside.ts';
import { ConfigurationTests, type Tested } from './test-configuration.ts';
import type { GatewayUpgrades } from './upgrades/upgrades.ts';

/** What the operations on gateways need. */
export interface GatewayRouteDeps {
  readonly spending: Pick<SharedSpending, 'share'>;
  readonly store: Store;
  readonly box: SecretBox;
  readonly identity: ControllerIdentity;
  readonly channel: Channel;
  readonly gateways: GatewayQueries;
  readonly gatewayLists: GatewayLists;
  readonly upgrades: Pick<GatewayUpgrades, 'request' | 'cancel'>;
  /** Which addresses may be probed, and how much tenants are told. */
  readonly egress: EgressSettings;
  /** The probe key that gateways are probed with. */
  readonly beacon: { readonly keys: Pick<BeaconKeys, 'probe'> };
}

type GatewayOperation =
  | 'createGateway'
  | 'listGateways'
  | 'getGateway'
  | 'updateGateway'
  | 'deleteGateway'
  | 'enableRelay'
  | 'disableRelay'
  | 'testGateway'
  | 'rekeyGateway'
  | 'revealGatewayToken'
  | 'upgradeGateway'
  | 'cancelGatewayUpgrade';

/** Gateways. */
export const gatewayFeature = { routes: gatewayRoutes };

const testLimit = {
  ...{ name: 'tests of gateways', burst: 10, restMs: 5_000 },
  refusal: 'A tenant may test 10 gateways at once',
};

function gatewayRoutes(deps: GatewayRouteDeps): Handlers<GatewayOperation> {
  const { store, gateways, gatewayLists, channel, upgrades } = deps;
  const tests = new ConfigurationTests(channel, outsideWith(deps.beacon.keys.probe.privateKey, deps.egress));
  const pace = new Pace(testLimit, deps.spending);
  const commandDeps = { ...deps, presence: channel };
  const answer = async (tx: Tx, context: RequestContext, row: GatewayRow) => ({
    body: await gateways.view(tx.scoped, context, row),
    version: row.version,
  });
  return {
    createGateway: {
      write: async (tx, context, { body }) => {
        const created = await createGateway(tx, deps, body);
        return { body: gateways.created(context, created), version: created.row.version };
      },
    },
    listGateways: {
      read: async (context, { query }) => {
        const selection = selectionOf(query);
        if (selection === null)
          return { body: new JsonText(await gatewayLists.text(context.tenant, seesTokens(context))) };
        const { text, total } = await gatewayLists.some(context.tenant, seesTokens(context), selection);
        return { body: new JsonText(text), total };
      },
    },
    getGateway: { read: (context, { params }) => gateways.get(context, params.id) },
    updateGateway: {
      write: async (tx, context, { params, body }) =>
        answer(tx, context, await changeGateway(tx, context, channel, params.id, body)),
    },
    deleteGateway: {
      write: async (tx, context, { params }) => {
        await removeGateway(tx, context, params.id);
        return { body: undefined };
      },
    },
    enableRelay: {
      write: async (tx, context, { params }) => answer(tx, context, await setRelay(tx, context, params.id, true)),
    },
    disableRelay: {
      write: async (tx, context, { params }) => answer(tx, context, await setRelay(tx, context, params.id, false)),
    },
    testGateway: {
      read: async (context, { params }) => {
        pace.begin(context.tenant, store.now());
        const tested = await store.read((db) => testedGateway(scoped(db, context.tenant), params.id));
        return { body: await tests.run(tested) };
      },
    },
    rekeyGateway: {
      write: async (tx, context, { params }) =>
        answer(tx, context, await rekeyGateway(tx, context, commandDeps, params.id)),
    },
    upgradeGateway: {
      write: async (tx, context, { params, body }) =>
        answer(tx, context, await upgrades.request(tx, params.id, body.version)),
    },
    cancelGatewayUpgrade: {
      write: async (tx, _context, { params }) => {
        await upgrades.cancel(tx, params.id);
        return { body: undefined };
      },
    },
    revealGatewayToken: {
      write: async (tx, _context, { params }) => {
        const row = await findGateway(tx.scoped, params.id);
        if (row === undefined) throw notFound();
        const { id, name } = row;
        tx.changed({ kind: 'gateway', id, op: 'update', name, before: null, after: { name }, auditOnly: true });
        return { body: { token: readToken(deps.box, row) } };
      },
    },
  };
}

async function testedGateway(db: Scoped, id: string): Promise<Tested> {
  const row = await findGateway(db, id);
  if (row === undefined) throw notFound();
  const { mtu } = await db.selectTenant().select('mtu').executeTakeFirstOrThrow();
  const resources = (await attachedResources(db, [id])).get(id) ?? [];
  return { row, resources, names: await attachedNames(db, id), mtu: row.mtu ?? mtu };
}
