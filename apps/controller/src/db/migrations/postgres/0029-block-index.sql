-- `used` changes with each number. In an index it would make each of these changes a new entry there.
DROP INDEX overlay_blocks_by_tenant;
CREATE INDEX overlay_blocks_by_tenant ON overlay_blocks (tenant_id, block);
