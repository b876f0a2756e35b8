-- Moment at which a device last used a name that a wildcard covers. Null: no device has asked for it through a wildcard,
-- or the last use is so long ago that the name is forgotten.
ALTER TABLE virtual_addresses ADD COLUMN used_at INTEGER;
CREATE INDEX virtual_addresses_used ON virtual_addresses (tenant_id, used_at) WHERE used_at IS NOT NULL;
