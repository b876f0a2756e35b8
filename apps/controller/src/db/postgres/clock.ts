import type pg from 'pg';
import { Elapsed } from './elapsed.ts';

/** Time that passes for this process. */
export const elapsed: Elapsed = new Elapsed();

/** A slower answer says too little about the moment in which it was given. */
const slowestMs = 250;
const mostMeasures = 5;

/** What an answer of the database tells of its time. */
export interface Measured {
  /** Whether the answer came soon enough to be relied on. */
  readonly isExact: boolean;
  /** Time of the database less elapsed time of this process, milliseconds. */
  readonly ahead: number;
}

/** Asks the database for its time. Throws when it has become a standby. */
export async function measure(client: pg.Client): Promise<Measured> {
  const began = elapsed.now();
  const { rows } = await client.query(
    'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now, pg_is_in_recovery() AS recovers',
  );
  if (rows[0].recovers === 1) throw new Error('the server has become a standby');
  const took = elapsed.now() - began;
  return { isExact: took <= slowestMs, ahead: rows[0].now - began - took / 2 };
}

/** Asks the database for its time, and a slow one several times. Returns how far it is ahead of elapsed time. */
export async function measureWell(client: pg.Client): Promise<number> {
  let measured = await measure(client);
  for (let n = 1; n < mostMeasures && !measured.isExact; n++) measured = await measure(client);
  return measured.ahead;
}

/** Returns the time of the database, epoch milliseconds. */
export const timeOf = async (client: pg.Client): Promise<number> =>
  Math.round((await measureWell(client)) + elapsed.now());
