import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { openPostgres, type PostgresDatabase, type PostgresEvents } from '../db/postgres/open.ts';
import { type PostgresPlace, type PostgresPlaces, parseDatabaseUrl } from '../db/postgres/place.ts';
import { clientConfig } from '../db/postgres/pool.ts';

const templateName = 'sallyport_template';
/** Only one test process at a time makes the template, and none clones it meanwhile. */
const templateLock = 7_255_259;

/** Reads a database URL of a test, which may name several servers. */
export function placesOf(url: string): PostgresPlaces {
  const places = parseDatabaseUrl(url, null);
  if (typeof places === 'string') throw new Error(`the database URL ${places}`);
  return places;
}

/** Reads a database URL of a test that names one server. */
export function placeOf(url: string): PostgresPlace {
  const [place] = placesOf(url);
  return place;
}

/** Fails the test when the database goes away. */
const unexpected: PostgresEvents = {
  lost: (error) => {
    throw new Error('the database was lost', { cause: error });
  },
  check: () => undefined,
  back: () => undefined,
  ended: (error) => {
    throw error;
  },
};

/** Makes a migrated database on a server, and opens it. */
export async function clonePostgres(
  url: string,
  events: PostgresEvents = unexpected,
): Promise<{ db: PostgresDatabase; place: PostgresPlace; remove: () => Promise<void> }> {
  const admin = placeOf(url);
  const name = `test_${randomBytes(8).toString('hex')}`;
  await asAdmin(admin, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [templateLock]);
    await makeTemplate(client, admin);
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${templateName}`);
  });
  const place = throughPooler({ ...admin, database: name });
  const remove = () =>
    asAdmin(admin, async (client) => void (await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)));
  return { db: await openPostgres([place], events), place, remove };
}

/** With TEST_POSTGRES_POOLER_URL, statements of tests go through a pooler. */
function throughPooler(place: PostgresPlace): PostgresPlace {
  const url = process.env.TEST_POSTGRES_POOLER_URL;
  return url ? { ...place, pooler: { ...placeOf(url), database: place.database } } : place;
}

async function makeTemplate(client: pg.Client, admin: PostgresPlace): Promise<void> {
  const { rows } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [templateName]);
  if (rows.length > 0) return;
  await client.query(`CREATE DATABASE ${templateName}`);
  const db = await openPostgres([{ ...admin, database: templateName }], unexpected);
  await db.destroy();
}

/** Runs `work` on a connection of its own, beside a controller that has the database. */
export async function asAdmin<T>(admin: PostgresPlace, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(clientConfig(admin));
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
