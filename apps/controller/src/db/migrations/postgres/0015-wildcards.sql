-- As 0015-wildcards.sql of the other database.
ALTER TABLE virtual_addresses ADD COLUMN used_at BIGINT;
CREATE INDEX virtual_addresses_used ON virtual_addresses (tenant_id, used_at) WHERE used_at IS NOT NULL;
