-- Answers to repeated requests belong to the caller that asked. The old answers were shared within a tenant and held
-- secrets, so they are deleted. A client that repeats a request from before the upgrade runs it again.
DROP TABLE idempotency_keys;
CREATE TABLE idempotency_keys (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  -- Id of the API key that asked.
  actor_id TEXT NOT NULL,
  key TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  -- SHA-256 of method, path and body.
  request_hash TEXT NOT NULL,
  status INTEGER NOT NULL,
  -- The answer without its secrets, encrypted with the master key.
  answer_ciphertext TEXT NOT NULL,
  PRIMARY KEY (tenant_id, actor_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
