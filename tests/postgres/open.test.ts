import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Cleanup, PostgresServer } from '@sallyport/testkit';
import { openPostgres, type PostgresEvents } from '../../apps/controller/src/db/postgres/open.ts';
import { type PostgresPlace, parseDatabaseUrl } from '../../apps/controller/src/db/postgres/place.ts';
import { createStore } from '../../apps/controller/src/db/store.ts';
import { OperatorError } from '../../apps/controller/src/errors.ts';
import { selfSigned } from '../../apps/controller/src/testing/certificates.ts';
import { clonePostgres, placeOf } from '../../apps/controller/src/testing/postgres.ts';

const cleanup = new Cleanup();
let server: PostgresServer;
let port: number;
const folder = mkdtempSync(join(tmpdir(), 'sallyport-certificates-'));
cleanup.add(async () => rmSync(folder, { recursive: true }));

before(async () => {
  port = await freePort();
  const access = ['local all sally trust', 'local all all scram-sha-256', 'hostssl all all all scram-sha-256'];
  server = await PostgresServer.start(cleanup, { port, access });
  await server.sql("CREATE ROLE plain LOGIN PASSWORD 'own-horse'");
  await server.sql('CREATE DATABASE main OWNER plain');
});
after(() => cleanup.run());

const quiet: PostgresEvents = { lost: () => undefined, check: () => undefined, back: () => undefined, ended: () => {} };

const place = (database: string, user = 'sally'): PostgresPlace => placeOf(server.url(database, user));

const refused = (where: PostgresPlace, text: RegExp, opening?: Parameters<typeof openPostgres>[2]) =>
  assert.rejects(openPostgres([where], quiet, opening), (error: Error) => {
    assert.match(error.message, text);
    assert.doesNotMatch(error.message, /horse/);
    assert.ok(error instanceof OperatorError, error.stack);
    return true;
  });

test('a store works as its user, and every kind of text comes back as it was', async () => {
  const db = await openPostgres([{ ...place('main', 'plain'), password: 'own-horse' }], quiet);
  const store = createStore(db, db.now);
  try {
    const system = { kind: 'system', id: null, name: 'test' } as const;
    const context = { tenant: 't', actor: system, action: 'test', sourceIp: null, requestId: null };
    const name = 'Zoë \u{1F512} \\ \'"%_';
    const rows = await store.write(context, async (tx) => {
      const values = { created_at: 2 ** 52, name, overlay_v6: 'fd00::/48', revision: 0, mtu: 1280, lease_ms: 1 };
      await tx.scoped.insertTenant({ ...values, audit_retention_days: null }).execute();
      return tx.scoped.selectTenant().select(['created_at', 'name', 'audit_retention_days']).execute();
    });
    assert.deepEqual(rows, [{ created_at: 2 ** 52, name, audit_retention_days: null }]);
    assert.ok(Math.abs(db.now() - Date.now()) < 60_000);
    assert.equal(db.trouble(), null);
  } finally {
    await store.close();
  }
});

test('each way in which a database cannot be opened has a message of its own', async () => {
  await refused({ ...place('main'), host: folder }, /no PostgreSQL server listens in/);
  await refused({ ...place('main'), host: '127.0.0.1', port: await freePort() }, /no PostgreSQL server answers at 127/);
  await refused({ ...place('main'), host: 'none.invalid' }, /no host with the name none\.invalid|cannot be looked up/);
  await refused({ ...place('main', 'plain'), password: 'foreign-horse' }, /the user or the password is/);
  await refused(place('main', 'nobody'), /the user or the password is/);
  await refused(place('missing'), /there is no database missing/);
  await server.sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'");
  await refused(place('latin'), /has the encoding LATIN1/);
  await server.sql('CREATE DATABASE reading');
  await server.sql('ALTER DATABASE reading SET default_transaction_read_only = on');
  await refused(place('reading'), /takes no writes/);
  await server.sql('CREATE DATABASE foreigner');
  await server.sql('CREATE TABLE theirs (id int)', 'foreigner');
  await refused(place('foreigner'), /holds tables of another program/);
  await server.sql('CREATE DATABASE strict');
  await refused(
    { ...place('strict', 'plain'), password: 'own-horse' },
    /the user plain lacks rights in the database strict/,
  );
  const tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
  assert.equal(await server.sql(tables, 'strict'), '0');
});

test('a database of a newer version is refused, and a failed migration leaves nothing', async () => {
  const { db, place: where } = await clonePostgres(server.url());
  await db.destroy();
  await server.sql("INSERT INTO migrations VALUES ('9000-newer.sql', 1)", where.database);
  await refused(where, /was written by a newer version of Sallyport \(9000-newer\.sql\)/);
  await server.sql('CREATE DATABASE halfway');
  const migrations = { folder: mkdtempSync(join(folder, 'migrations-')), version: '1.0.0' };
  writeFileSync(join(migrations.folder, '0001-one.sql'), 'CREATE TABLE one (id TEXT); CREATE TABLE meta (key TEXT)');
  writeFileSync(join(migrations.folder, '0002-two.sql'), 'CREATE TABLE one (id TEXT)');
  await assert.rejects(openPostgres([place('halfway')], quiet, { migrations }), /already exists/);
  const tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
  assert.equal(await server.sql(tables, 'halfway'), '0');
});

test('a connection with TLS is used only when the certificate fits the host and its authority is known', async () => {
  const over = (host: string, ca: string | null) => {
    const found = parseDatabaseUrl(`postgres://plain:own-horse@${host}:${port}/main?sslmode=verify-full`, ca);
    assert.ok(typeof found !== 'string');
    return found[0];
  };
  await refused(over('localhost', null), /is not secure.*does not support SSL/);
  const { cert, key } = selfSigned(folder, 'localhost');
  const { uid, gid } = statSync(server.folder);
  chmodSync(folder, 0o755);
  chownSync(key, uid, gid);
  chmodSync(key, 0o600);
  await server.sql(`ALTER SYSTEM SET ssl_cert_file = '${cert}'`);
  await server.sql(`ALTER SYSTEM SET ssl_key_file = '${key}'`);
  await server.sql('ALTER SYSTEM SET ssl = on');
  await server.kill('SIGINT');
  await server.run();
  await refused(over('localhost', null), /is not secure.*self-signed.*SALLYPORT_DATABASE_CA_FILE/);
  const ca = readFileSync(cert, 'latin1');
  await refused(over('127.0.0.1', ca), /is not secure/);
  const db = await openPostgres([over('localhost', ca)], quiet);
  await db.destroy();
  await refused({ ...over('localhost', ca), tls: null }, /the user or the password is|pg_hba/);
});

test('a standby is refused', async () => {
  await server.kill('SIGINT');
  writeFileSync(join(server.folder, 'data/standby.signal'), '');
  await server.run();
  await refused(place('main'), /is a standby and takes no writes/);
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port: found } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return found;
}
