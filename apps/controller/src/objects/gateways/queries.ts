import type { Gateway, GatewayPresence, GatewayStatistics } from '@sallyport/contract';
import type { DesiredStates } from '../../channel/types.ts';
import { type Scoped, scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { notFound } from '../../errors.ts';
import { type RequestContext, seesTokens } from '../../http/handlers.ts';
import type { SecretBox } from '../../secrets/box.ts';
import { attachedResources, findGateway, findGateways, type GatewayRow, listGateways } from './store.ts';
import { maskedToken, readToken } from './token.ts';
import { gatewayPresence, gatewayStatistics, gatewayView, type PresenceSource } from './views.ts';

/** The queries of gateways. */
export interface GatewayQueries {
  /** One gateway with its connection statistics, and its version. */
  get(context: RequestContext, id: string): Promise<{ body: Gateway; version: number }>;
  /** One gateway from inside a write, without statistics. */
  view(db: Scoped, context: RequestContext, row: GatewayRow): Promise<Gateway>;
  /** A gateway that was just created: it has no resources, and its token is at hand. */
  created(context: RequestContext, gateway: { readonly row: GatewayRow; readonly token: string }): Gateway;
  /** Ids of all gateways. */
  ids(db: Scoped): Promise<string[]>;
  /** What live streams show of gateways, by id. Unknown ids are left out. */
  presences(db: Scoped, ids: readonly string[]): Promise<Map<string, GatewayPresence>>;
  /** Statistics of gateways, by id. Unknown ids are left out. */
  statistics(db: Scoped, ids: readonly string[]): Promise<Map<string, GatewayStatistics>>;
  /** Gateways in the form that other objects show, with masked tokens, by id. Unknown ids are left out. */
  nested(db: Scoped, ids: readonly string[]): Promise<Map<string, Gateway>>;
}

/** Makes the queries that answer with gateways, with tokens only for callers who may deploy. */
export function createGatewayQueries(
  store: Store,
  box: SecretBox,
  presence: PresenceSource,
  states: Pick<DesiredStates, 'current'>,
): GatewayQueries {
  const tokenFor = (context: RequestContext, row: GatewayRow) =>
    seesTokens(context) ? readToken(box, row) : maskedToken(row.id);

  const view: GatewayQueries['view'] = async (db, context, row) => {
    const resources = (await attachedResources(db, [row.id])).get(row.id) ?? [];
    return gatewayView(row, tokenFor(context, row), resources, presence.presence(row.id));
  };

  const statisticsOf = async (row: GatewayRow, drainMs: number): Promise<GatewayStatistics> => {
    const present = presence.presence(row.id);
    const desired = present.applied === null ? null : await states.current(row.id);
    return gatewayStatistics(present, row, desired, drainMs);
  };
  const drainMsOf = async (db: Scoped) =>
    (await db.selectTenant().select('drain_ms').executeTakeFirstOrThrow()).drain_ms;

  return {
    view,
    created: (context, { row, token }) =>
      gatewayView(row, seesTokens(context) ? token : maskedToken(row.id), [], presence.presence(row.id)),
    get: async (context, id) => {
      await presence.gather([id], 'statistics');
      const { row, body, drainMs } = await store.read(async (db) => {
        const own = scoped(db, context.tenant);
        const row = await findGateway(own, id);
        if (row === undefined) throw notFound();
        return { row, body: await view(own, context, row), drainMs: await drainMsOf(own) };
      });
      return { body: { ...body, statistics: await statisticsOf(row, drainMs) }, version: row.version };
    },
    ids: async (db) => (await listGateways(db)).map(({ id }) => id),
    presences: async (db, ids) => {
      const rows = ids.length === 0 ? [] : await findGateways(db, ids);
      return new Map(rows.map((row) => [row.id, gatewayPresence(row, presence.presence(row.id))]));
    },
    statistics: async (db, ids) => {
      if (ids.length === 0) return new Map();
      const [rows, drainMs] = [await findGateways(db, ids), await drainMsOf(db)];
      const all = rows.map(async (row) => [row.id, await statisticsOf(row, drainMs)] as const);
      return new Map(await Promise.all(all));
    },
    nested: async (db, ids) => {
      if (ids.length === 0) return new Map();
      const rows = await findGateways(db, ids);
      const resources = await attachedResources(db, ids);
      return new Map(
        rows.map((row) => [
          row.id,
          gatewayView(row, maskedToken(row.id), resources.get(row.id) ?? [], presence.presence(row.id)),
        ]),
      );
    },
  };
}
