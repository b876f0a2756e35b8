import { randomInt, randomUUID } from 'node:crypto';
import type { WorldGateway } from '@sallyport/policy';
import { bySystem } from '../db/contexts.ts';
import type { Row } from '../db/schema.ts';
import { type Scoped, unscoped } from '../db/scoped.ts';
import type { Store, Tx } from '../db/store.ts';
import type { Pair } from './relay-choice.ts';

/** Row of a relayed pair. */
export type RelayPairRow = Row<'relay_pairs'>;

/** `exhausted`: no possible relay has a free port. `none`: there is no relay. `gone`: an end was deleted meanwhile. */
export type AllocationOutcome = 'kept' | 'allocated' | 'exhausted' | 'none' | 'gone';

/**
 * Makes a relay forward between the two. `keep` judges their present relay. Otherwise the first of `relays` with a free
 * port takes over. All agents concerned learn about it by the commit.
 */
export async function allocateRelay(
  store: Store,
  tenant: string,
  pair: Pair,
  relays: readonly WorldGateway[],
  keep: (known: RelayPairRow) => boolean,
): Promise<AllocationOutcome> {
  return store.write(bySystem(tenant, 'relay'), async (tx) => {
    const known = await findPair(tx.scoped, pair);
    if (known !== undefined && keep(known)) {
      await need(tx, known);
      return 'kept';
    }
    if (!(await bothExist(tx.scoped, pair))) return 'gone';
    for (const relay of relays) {
      const port = await freePort(tx.scoped, relay);
      if (port === null) continue;
      await put(tx, pair, known, { relay_id: relay.id, port });
      return 'allocated';
    }
    return relays.length === 0 ? 'none' : 'exhausted';
  });
}

/**
 * Ends pairs without a request since `before` (epoch milliseconds). Of those without one since `asked`, which is no earlier,
 * the `used` ones count as requested now.
 */
export async function endUnneeded(
  store: Store,
  { asked, before }: { readonly asked: number; readonly before: number },
  used: (pair: RelayPairRow) => boolean,
): Promise<void> {
  const old = await unscoped(store.db, 'ageing is the same for every tenant')
    .selectFrom('relay_pairs')
    .selectAll()
    .where('needed_at', '<', asked)
    .orderBy('needed_at')
    .limit(sweepLimit)
    .execute();
  for (const [tenant, pairs] of Map.groupBy(old, (row) => row.tenant_id))
    await store.write(bySystem(tenant, 'relay'), async (tx) => {
      for (const { a, b } of pairs) {
        // Meanwhile it may have been requested, or deleted.
        const pair = await findPair(tx.scoped, { a, b });
        if (pair === undefined || pair.needed_at >= asked) continue;
        if (used(pair)) await need(tx, pair);
        else if (pair.needed_at < before) await end(tx, pair);
      }
    });
}

/** Returns the pairs of draining relays, of all tenants. */
export async function pairsOfDraining(store: Store): Promise<(Pair & { readonly tenant: string })[]> {
  return unscoped(store.db, 'draining is the same for every tenant')
    .selectFrom('relay_pairs')
    .innerJoin('gateways', 'gateways.id', 'relay_pairs.relay_id')
    .select(['relay_pairs.a', 'relay_pairs.b', 'relay_pairs.tenant_id as tenant'])
    .where('gateways.intent', '=', 'MAINTENANCE')
    .limit(sweepLimit)
    .execute();
}

/** Pairs of one sweep. The others wait for the next. */
const sweepLimit = 500;
/** Least time between two writes of the moment, milliseconds. */
const neededEveryMs = 60_000;

const findPair = (db: Scoped, { a, b }: Pair): Promise<RelayPairRow | undefined> =>
  db.selectFrom('relay_pairs').selectAll().where('a', '=', a).where('b', '=', b).executeTakeFirst();

/** No agent is told about it, so there is no commit. */
async function need(tx: Tx, { id, needed_at }: RelayPairRow): Promise<void> {
  if (tx.now - needed_at < neededEveryMs) return;
  await tx.scoped.updateTable('relay_pairs').set({ needed_at: tx.now }).where('id', '=', id).execute();
}

async function bothExist(db: Scoped, { a, b }: Pair): Promise<boolean> {
  const ends = [a, b];
  const gateways = await db.selectFrom('gateways').select('id').where('id', 'in', ends).execute();
  const devices = await db.selectFrom('devices').select('id').where('id', 'in', ends).execute();
  return gateways.length + devices.length === 2;
}

/**
 * Returns a free port of the relay: neither the first, which answers probes, nor the WireGuard port. Null: there is
 * none.
 */
async function freePort(db: Scoped, { id, listenPort, relayPorts }: WorldGateway): Promise<number | null> {
  const rows = await db.selectFrom('relay_pairs').select('port').where('relay_id', '=', id).execute();
  const taken = new Set([listenPort, ...rows.map(({ port }) => port)]);
  const count = relayPorts.to - relayPorts.from;
  // The search starts anywhere in the range, so that a port is not given again right after its pair ended.
  const start = count > 0 ? randomInt(count) : 0;
  for (let step = 0; step < count; step++) {
    const port = relayPorts.from + 1 + ((start + step) % count);
    if (!taken.has(port)) return port;
  }
  return null;
}

async function put(
  tx: Tx,
  { a, b }: Pair,
  known: RelayPairRow | undefined,
  place: { readonly relay_id: string; readonly port: number },
): Promise<void> {
  const values = { ...place, created_at: tx.now, needed_at: tx.now };
  const id = known?.id ?? randomUUID();
  if (known === undefined) await tx.scoped.insertInto('relay_pairs', { id, a, b, ...values }).execute();
  else await tx.scoped.updateTable('relay_pairs').set(values).where('id', '=', id).execute();
  const after = { a, b, relay: place.relay_id, port: place.port };
  const before = known === undefined ? null : { a, b, relay: known.relay_id, port: known.port };
  tx.changed({ kind: 'relay', id, op: known === undefined ? 'create' : 'update', before, after });
}

async function end(tx: Tx, { id, a, b, relay_id, port }: RelayPairRow): Promise<void> {
  await tx.scoped.deleteFrom('relay_pairs').where('id', '=', id).execute();
  tx.changed({ kind: 'relay', id, op: 'delete', before: { a, b, relay: relay_id, port } });
}
