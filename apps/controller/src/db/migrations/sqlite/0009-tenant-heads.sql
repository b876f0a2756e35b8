-- Hash of the tenant's newest audit event. It stands beside the revision, in the row that each write locks first.
ALTER TABLE tenants ADD COLUMN audit_hash TEXT NOT NULL
  DEFAULT '0000000000000000000000000000000000000000000000000000000000000000';
UPDATE tenants SET audit_hash = coalesce(
  (SELECT hash FROM audit_events WHERE tenant_id = tenants.id ORDER BY revision DESC, seq DESC LIMIT 1),
  (SELECT hash FROM audit_anchors WHERE tenant_id = tenants.id),
  audit_hash);
