import { randomInt } from 'node:crypto';
import pg from 'pg';
import { OperatorError } from '../../errors.ts';
import { codeOf, isLost, openFailure, protocolState } from './failures.ts';
import { fenceText, isAstray } from './fence.ts';
import { type PostgresPlace, shownPlace } from './place.ts';
import { clientConfig, serverOptions } from './pool.ts';

/** Milliseconds after which a pooler counts as gone. */
const answerMs = 10_000;

/** Connects to a pooler. */
export async function connectPooler(pooler: PostgresPlace, options?: string): Promise<pg.Client> {
  const config = { ...clientConfig(pooler, answerMs), connectionTimeoutMillis: answerMs };
  const client = new pg.Client({ ...config, ...(options !== undefined && { options }) });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    await leave(client);
    throw error;
  }
}

const leave = (client: pg.Client): Promise<void> => client.end().catch(() => undefined);

/**
 * Refuses a connection through a pooler that gives the server to another connection between two transactions: its locks and
 * LISTEN would belong to all of them. A pooler that refuses what each connection asks for is none to go through either.
 * Throws OperatorError.
 */
export async function refusePooled(client: pg.Client, place: PostgresPlace): Promise<void> {
  // A pooler carries requests to cancel out itself, so the number that it has told is its own.
  const { processID } = client as unknown as { readonly processID: number | null };
  if ((await backendOf(client)) === processID || !(await isShared(client, place))) return;
  throw new OperatorError(
    `a pooler is in front of the database ${shownPlace(place)}: name the server itself with SALLYPORT_DATABASE_DIRECT_URL (docs/postgresql.md)`,
  );
}

const backendOf = async (client: pg.Client): Promise<number> =>
  (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;

/** Most questions that tell one process of the server from several. Two or three are enough for nearly every pooler. */
const mostAsks = 40;

/** Whether a connection gets another process of the server at times, or the one of another connection. */
async function isShared(client: pg.Client, place: PostgresPlace): Promise<boolean> {
  const second = await connectPooler(place, serverOptions).catch((error: unknown) => {
    if (codeOf(error) === protocolState && String(error).includes('startup parameter')) return null;
    throw error;
  });
  if (second === null) return true;
  try {
    const seen = new Map<pg.Client, number>();
    for (let ask = 0; ask < mostAsks; ask++) {
      // At random: a pooler whose servers take turns could answer a regular order with regular numbers.
      const [one, other] = randomInt(2) === 0 ? [client, second] : [second, client];
      const pid = await backendOf(one);
      if (pid === seen.get(other) || pid !== (seen.get(one) ?? pid)) return true;
      seen.set(one, pid);
    }
    return false;
  } finally {
    await leave(second);
  }
}

/** Transactions that a controller needs at the same time: one for each job that lasts, and some beside them. */
const atOnce = 5;

/** Checks that a pooler leads to the tables of a session, and lends enough connections. Throws OperatorError. */
export async function refuseUnfitPooler(session: pg.Client, pooler: PostgresPlace, fence: number): Promise<void> {
  const clients: pg.Client[] = [];
  try {
    const client = await connectPooler(pooler);
    clients.push(client);
    await client.query(fenceText(fence));
    await refuseOtherTables(session, client, pooler);
    await refuseNarrow(clients, pooler);
  } catch (error) {
    throw poolerFailure(error, pooler);
  } finally {
    await Promise.all(clients.map(leave));
  }
}

async function refuseOtherTables(session: pg.Client, client: pg.Client, pooler: PostgresPlace): Promise<void> {
  const [own, through] = [await metaOf(session), await metaOf(client)];
  if (own === through) return;
  throw new OperatorError(
    `the user ${pooler.user} of the pooler finds no tables of Sallyport, or other ones: take the user of SALLYPORT_DATABASE_DIRECT_URL in both URLs`,
  );
}

const metaOf = async (client: pg.Client): Promise<unknown> =>
  (await client.query("SELECT to_regclass('meta')::oid::text AS oid")).rows[0].oid;

async function refuseNarrow(clients: pg.Client[], pooler: PostgresPlace): Promise<void> {
  try {
    await Promise.all(clients.map((client) => client.query('BEGIN')));
    while (clients.length < atOnce) {
      const client = await connectPooler(pooler);
      clients.push(client);
      await client.query('BEGIN');
    }
  } catch (error) {
    if (!isLost(error)) throw error;
    throw new OperatorError(
      `the pooler at ${shownPlace(pooler)} does not lend ${atOnce} connections at once: ${textOf(error)}. Raise default_pool_size and max_client_conn, or look what holds the others (docs/postgresql.md)`,
    );
  }
}

/** Returns why a pooler cannot be used, in words. */
function poolerFailure(error: unknown, pooler: PostgresPlace): unknown {
  if (error instanceof OperatorError) return error;
  const where = shownPlace(pooler);
  if (isAstray(error))
    return new OperatorError(
      `SALLYPORT_DATABASE_URL (${where}) leads to another server or database than SALLYPORT_DATABASE_DIRECT_URL: both must reach the same one`,
    );
  return openFailure(error, pooler);
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
