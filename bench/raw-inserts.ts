import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';

/**
 * Measures durable single-row inserts per second: WAL, synchronous=FULL, the columns of a gateway, for the given time.
 */
const [file = '', durationMs = '0'] = process.argv.slice(2);
const database = new DatabaseSync(file);
database.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA locking_mode=EXCLUSIVE');
database.exec(`CREATE TABLE IF NOT EXISTS gateways (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL, name TEXT NOT NULL, description TEXT, wireguard_port INTEGER NOT NULL, endpoint TEXT, discovered_endpoint TEXT, intent TEXT NOT NULL,
  relay_enabled INTEGER NOT NULL, masquerade INTEGER NOT NULL, deployed_on INTEGER, last_online INTEGER, error TEXT, token_hash TEXT NOT NULL,
  token_ciphertext TEXT NOT NULL, identity_key TEXT, wireguard_key TEXT, overlay_v4 TEXT NOT NULL, overlay_v6 TEXT NOT NULL) STRICT`);
const insert = database.prepare(
  `INSERT INTO gateways VALUES (?, ?, ?, ?, 1, ?, ?, 51820, ?, NULL, 'ACTIVE', 0, 1, NULL, NULL, NULL, ?, ?, NULL, NULL, ?, ?)`,
);
const tenant = randomUUID();
const end = performance.now() + Number(durationMs);
const from = performance.now();
let rows = 0;
while (performance.now() < end) {
  const now = Date.now();
  insert.run(
    randomUUID(),
    tenant,
    now,
    now,
    'name',
    'description',
    'gw.example.com',
    'h'.repeat(64),
    'c'.repeat(200),
    '100.64.0.1',
    'fd00::1',
  );
  rows++;
}
console.log(JSON.stringify({ perSecond: (rows / (performance.now() - from)) * 1000 }));
database.close();
