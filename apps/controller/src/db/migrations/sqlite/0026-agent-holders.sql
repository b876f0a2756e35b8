-- The process that an agent is connected to. Several controllers on one PostgreSQL database need it; in SQLite the table
-- stays empty. Each claim takes the next generation. `previous` had the agent before, and is told that it lost it.
CREATE TABLE agent_holders (
  agent TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  replica TEXT NOT NULL,
  generation INTEGER NOT NULL,
  previous TEXT,
  claimed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX agent_holders_by_age ON agent_holders (claimed_at);
