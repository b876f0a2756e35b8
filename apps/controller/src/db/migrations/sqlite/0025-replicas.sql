-- Processes that share the database, and what they tell each other. An embedded database has one process only, so there the
-- tables stay empty.
CREATE TABLE replicas (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  lock_key INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  agents INTEGER NOT NULL,
  behind INTEGER NOT NULL,
  skew_ms INTEGER NOT NULL,
  fact_number INTEGER NOT NULL,
  beacon TEXT
) STRICT;
CREATE TABLE facts (
  kind TEXT NOT NULL,
  object TEXT NOT NULL,
  tenant_id TEXT NOT NULL,
  value TEXT NOT NULL,
  generation INTEGER NOT NULL,
  replica TEXT NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (kind, object)
) STRICT;
CREATE INDEX facts_by_number ON facts (replica, number);
