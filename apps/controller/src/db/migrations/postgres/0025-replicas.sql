-- Processes that share the database, and what they tell each other. An embedded database has one process only, so there the
-- tables stay empty.
CREATE TABLE replicas (
  id TEXT COLLATE "C" PRIMARY KEY,
  name TEXT COLLATE "C" NOT NULL,
  version TEXT COLLATE "C" NOT NULL,
  lock_key BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  agents BIGINT NOT NULL,
  behind BIGINT NOT NULL,
  skew_ms BIGINT NOT NULL,
  fact_number BIGINT NOT NULL,
  beacon TEXT COLLATE "C"
);
CREATE TABLE facts (
  kind TEXT COLLATE "C" NOT NULL,
  object TEXT COLLATE "C" NOT NULL,
  tenant_id TEXT COLLATE "C" NOT NULL,
  value TEXT COLLATE "C" NOT NULL,
  generation BIGINT NOT NULL,
  replica TEXT COLLATE "C" NOT NULL,
  number BIGINT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (kind, object)
);
CREATE INDEX facts_by_number ON facts (replica, number);
