import pg from 'pg';
import { OperatorError } from '../../errors.ts';
import { codeOf, isLost, openFailure } from './failures.ts';
import { type PostgresPlace, type PostgresPlaces, shownPlace } from './place.ts';
import { clientConfig, startText } from './pool.ts';
import { refusePooled } from './pooler.ts';

/** A running server, as it tells of itself. */
export interface ServerIdentity {
  /** When the server was started, as the server writes it. */
  readonly startedAt: string;
  /** What a server and its standbys have in common; null: the server does not tell. */
  readonly system: string | null;
  /** Grows with each promotion of a standby; null: the server does not tell. */
  readonly timeline: number | null;
}

/** A connection to a server that takes writes. */
export interface Reached {
  readonly client: pg.Client;
  readonly place: PostgresPlace;
  readonly server: ServerIdentity;
}

/** Throws OperatorError when a server that takes writes is not the one to be used. */
export type Acceptance = (client: pg.Client, server: ServerIdentity, place: PostgresPlace) => Promise<void>;

/** How long other servers may take to answer once one can be used. */
const graceMs = 1_000;

/**
 * Connects to the primary server. All servers are asked at once; of several that take writes, the one that was promoted last
 * is the primary server. Throws OperatorError, which says for each server why it cannot be used.
 */
export async function reachPrimary(places: PostgresPlaces, silenceMs: number, accept?: Acceptance): Promise<Reached> {
  const { reached, refusals } = await askAll(places, (place) => reachServer(place, silenceMs, accept));
  const [best, ...others] = reached.sort(byRank(places));
  for (const { client } of others) void close(client);
  if (best === undefined) throw refusalOf(places, refusals);
  return best;
}

interface Answers {
  readonly reached: Reached[];
  readonly refusals: ReadonlyMap<PostgresPlace, unknown>;
}

/** Resolves when all have answered, or one did and the others had their time. */
async function askAll(places: PostgresPlaces, ask: (place: PostgresPlace) => Promise<Reached>): Promise<Answers> {
  const reached: Reached[] = [];
  const refusals = new Map<PostgresPlace, unknown>();
  const { promise: timeUp, resolve: end } = Promise.withResolvers<void>();
  let [over, grace]: [boolean, NodeJS.Timeout | undefined] = [false, undefined];
  const asked = places.map(async (place) => {
    try {
      const one = await ask(place);
      if (over) return void close(one.client);
      reached.push(one);
      grace ??= setTimeout(end, graceMs);
    } catch (error) {
      refusals.set(place, error);
    }
  });
  await Promise.race([timeUp, Promise.all(asked)]);
  over = true;
  clearTimeout(grace);
  return { reached, refusals };
}

const byRank =
  (places: PostgresPlaces) =>
  (a: Reached, b: Reached): number =>
    (b.server.timeline ?? 0) - (a.server.timeline ?? 0) || places.indexOf(a.place) - places.indexOf(b.place);

function refusalOf(places: PostgresPlaces, refusals: ReadonlyMap<PostgresPlace, unknown>): unknown {
  const [first] = places;
  const found = places.map((place) => refusals.get(place));
  if (places.length === 1) return refusals.get(first);
  const unknown = found.find((error) => !(error instanceof OperatorError));
  if (unknown !== undefined) return unknown;
  const lines = found.map((error) => `\n  ${error instanceof Error ? error.message : ''}`);
  return new OperatorError(`none of the database servers can be used:${lines.join('')}`);
}

const close = (client: pg.Client): Promise<void> => client.end().catch(() => undefined);

/** Connects to one server that takes writes. Throws OperatorError when it does not, or is not accepted. */
export async function reachServer(place: PostgresPlace, silenceMs: number, accept?: Acceptance): Promise<Reached> {
  const client = new pg.Client(clientConfig(place, silenceMs));
  client.on('error', () => undefined);
  try {
    await client.connect();
    const startedAt = await refuseUnfit(client, place);
    await refusePooled(client, place);
    const server = { startedAt, ...(await originOf(client)) };
    await accept?.(client, server, place);
    return { client, place, server };
  } catch (error) {
    await close(client);
    throw openFailure(error, place);
  }
}

const oldestServer = 140_000;

/** Returns when the server was started, as a text. Throws OperatorError when no controller can use it. */
async function refuseUnfit(client: pg.Client, place: PostgresPlace): Promise<string> {
  const { rows } = await client.query(`SELECT current_setting('server_version_num')::int AS version,
    current_setting('server_version') AS shown, current_setting('server_encoding') AS encoding,
    pg_is_in_recovery() AS recovers, current_setting('transaction_read_only') AS reads, current_schema() AS schema,
    ${startText} AS started`);
  const [{ version, shown, encoding, recovers, reads, schema, started }] = rows;
  const where = shownPlace(place);
  if (version < oldestServer) throw new OperatorError(`PostgreSQL at ${where} is ${shown}: 14 or newer is needed`);
  if (encoding !== 'UTF8')
    throw new OperatorError(
      `the database ${where} has the encoding ${encoding}: create it with ENCODING 'UTF8' (docs/postgresql.md)`,
    );
  if (recovers === 1)
    throw new OperatorError(`PostgreSQL at ${where} is a standby and takes no writes: name the primary server`);
  if (reads === 'on')
    throw new OperatorError(`the database ${where} takes no writes: default_transaction_read_only is on`);
  if (schema === null)
    throw new OperatorError(`the user ${place.user} has no schema to make tables in (docs/postgresql.md)`);
  return started;
}

/** Servers of some providers do not tell, and rights may be taken away. */
async function originOf(client: pg.Client): Promise<Pick<ServerIdentity, 'system' | 'timeline'>> {
  const system = await toldBy(client, 'SELECT system_identifier::text AS told FROM pg_control_system()');
  const file = await toldBy(client, 'SELECT pg_walfile_name(pg_current_wal_lsn()) AS told');
  return { system, timeline: file === null ? null : Number.parseInt(file.slice(0, 8), 16) };
}

async function toldBy(client: pg.Client, sql: string): Promise<string | null> {
  try {
    return (await client.query<{ told: string | null }>(sql)).rows[0]?.told ?? null;
  } catch (error) {
    if (isLost(error) || codeOf(error) === '') throw error;
    return null;
  }
}
