-- The upgrade that was last asked for: JSON with request, versions, state, reason and times; null: there was none.
ALTER TABLE gateways ADD COLUMN upgrade TEXT COLLATE "C";
-- 1 while that upgrade waits or runs.
ALTER TABLE gateways ADD COLUMN upgrade_open BIGINT NOT NULL DEFAULT 0;
CREATE INDEX gateways_upgrading ON gateways (tenant_id, id) WHERE upgrade_open = 1;
