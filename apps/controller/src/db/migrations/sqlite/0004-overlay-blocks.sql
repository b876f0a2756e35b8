-- Overlay numbers are given to tenants in blocks of 256. A block is one tenant's for good; `used` of its numbers, from the
-- first, were given at least once.
CREATE TABLE overlay_blocks (
  block INTEGER PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  used INTEGER NOT NULL
) STRICT;
CREATE INDEX overlay_blocks_by_tenant ON overlay_blocks (tenant_id, used);

-- Numbers given before stay with the tenants that have them. Their blocks give no further ones: tenants take turns in them.
INSERT INTO overlay_blocks (block, tenant_id, used)
  SELECT number / 256, min(tenant_id), 256 FROM overlay_leases GROUP BY number / 256;

-- A tenant takes its own rested numbers first.
DROP INDEX overlay_leases_resting;
CREATE INDEX overlay_leases_resting ON overlay_leases (tenant_id, rests_until) WHERE rests_until IS NOT NULL;
