-- The process that an agent is connected to. Several controllers on one database need it. Each claim takes the next
-- generation. `previous` had the agent before, and is told that it lost it. `claimed_at` is time of the database.
CREATE TABLE agent_holders (
  agent TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL,
  replica TEXT COLLATE "C" NOT NULL,
  generation BIGINT NOT NULL,
  previous TEXT COLLATE "C",
  claimed_at BIGINT NOT NULL
);
CREATE INDEX agent_holders_by_age ON agent_holders (claimed_at);
