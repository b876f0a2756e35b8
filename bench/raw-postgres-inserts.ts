import { randomUUID } from 'node:crypto';
import pg from 'pg';

/**
 * Measures durable single-row inserts per second: the rows that a controller wrote, from 16 connections to its PostgreSQL
 * server, for the given time. They go into a table with the columns and indexes of `gateways`.
 */
const [connectionString = '', durationMs = '0'] = process.argv.slice(2);
const connections = 16;

const clients = Array.from({ length: connections }, () => new pg.Client({ connectionString }));
await Promise.all(clients.map((client) => client.connect()));
const [first] = clients;
await first?.query('CREATE SCHEMA IF NOT EXISTS raw');
await first?.query('CREATE TABLE IF NOT EXISTS raw.gateways (LIKE public.gateways INCLUDING ALL)');
const models: Record<string, unknown>[] =
  (await first?.query('SELECT DISTINCT ON (tenant_id) * FROM public.gateways'))?.rows ?? [];
const columns = Object.keys(models[0] ?? {});
if (columns.length === 0) throw new Error('there is no gateway to repeat');
const text = `INSERT INTO raw.gateways (${columns.join()}) VALUES (${columns.map((_, n) => `$${n + 1}`).join()})`;

let rows = 0;
const from = performance.now();
const end = from + Number(durationMs);
await Promise.all(
  clients.map(async (client, n) => {
    const model = models[n % models.length];
    while (performance.now() < end) {
      const row = { ...model, id: randomUUID() };
      await client.query({ name: 'insert', text, values: Object.values(row) });
      rows++;
    }
  }),
);
console.log(JSON.stringify({ perSecond: (rows / (performance.now() - from)) * 1000 }));
await Promise.all(clients.map((client) => client.end()));
