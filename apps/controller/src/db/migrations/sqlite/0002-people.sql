-- Users, groups and roles; admission rules with a zone; what the audit trail keeps.

CREATE TABLE users (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  email TEXT NOT NULL,
  -- The address folded for comparison: unique within a tenant.
  email_key TEXT NOT NULL,
  -- ACTIVE, INVITED or DEACTIVATED; EXPIRED is INVITED for longer than seven days.
  status TEXT NOT NULL,
  invited_at INTEGER NOT NULL,
  is_owner INTEGER NOT NULL,
  first_name TEXT,
  last_name TEXT,
  image TEXT,
  department TEXT,
  -- JSON object.
  attributes TEXT NOT NULL,
  max_devices INTEGER,
  last_connection INTEGER,
  UNIQUE (tenant_id, email_key)
) STRICT;
CREATE INDEX users_by_tenant ON users (tenant_id, created_at, id);

CREATE TABLE groups (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  description TEXT,
  max_devices INTEGER NOT NULL,
  is_default INTEGER NOT NULL,
  is_saml_default INTEGER NOT NULL,
  -- JSON: [name at the identity provider]
  idp_mapping TEXT NOT NULL
) STRICT;
CREATE INDEX groups_by_tenant ON groups (tenant_id, created_at, id);

CREATE TABLE group_members (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (group_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_by_user ON group_members (user_id);
CREATE INDEX group_members_by_tenant ON group_members (tenant_id, user_id);

CREATE TABLE roles (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  name TEXT NOT NULL,
  description TEXT,
  type TEXT NOT NULL,
  UNIQUE (tenant_id, type)
) STRICT;

CREATE TABLE user_roles (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  role_id TEXT NOT NULL REFERENCES roles (id),
  PRIMARY KEY (user_id, role_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_roles_by_role ON user_roles (role_id);
CREATE INDEX user_roles_by_tenant ON user_roles (tenant_id);

CREATE TABLE group_roles (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  role_id TEXT NOT NULL REFERENCES roles (id),
  PRIMARY KEY (group_id, role_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_roles_by_role ON group_roles (role_id);
CREATE INDEX group_roles_by_tenant ON group_roles (tenant_id);

CREATE INDEX devices_by_user ON devices (tenant_id, user_id) WHERE user_id IS NOT NULL;
-- Where the device's tunnel was last seen to come from.
ALTER TABLE devices ADD COLUMN source_ip TEXT;

ALTER TABLE admission_rules ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
-- IANA zone; null: the tenant's.
ALTER TABLE admission_rules ADD COLUMN time_zone TEXT;

ALTER TABLE tenants ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';
-- Null: audit events are kept for ever.
ALTER TABLE tenants ADD COLUMN audit_retention_days INTEGER;
ALTER TABLE tenants ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

-- Where a tenant's chain of audit events begins once old ones were dropped: the last dropped event.
CREATE TABLE audit_anchors (
  tenant_id TEXT PRIMARY KEY REFERENCES tenants (id),
  revision INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  hash TEXT NOT NULL
) STRICT;

-- Tenants that are there already get what new ones are made with.
INSERT INTO roles (id, tenant_id, created_at, updated_at, name, description, type)
SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-a' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
  tenants.id, tenants.created_at, tenants.created_at, kinds.column1, kinds.column2, kinds.column3
FROM tenants, (VALUES
  ('Owner', 'May do everything', 'OWNER'),
  ('Admin', 'Manages the tenant', 'ADMIN'),
  ('Auditor', 'Sees everything, changes nothing', 'AUDITOR'),
  ('Support', 'Sees objects and explains access', 'SUPPORT'),
  ('Billing', 'Sees no objects', 'BILLING'),
  ('User', 'Connects devices', 'BASIC')) AS kinds;
INSERT INTO groups (id, tenant_id, created_at, updated_at, version, name, description, max_devices, is_default, is_saml_default, idp_mapping)
SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-a' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
  id, created_at, created_at, 1, 'Default Group', 'Everybody who is in no other group', 5, 1, 1, '[]'
FROM tenants;
INSERT INTO group_roles (tenant_id, group_id, role_id)
SELECT groups.tenant_id, groups.id, roles.id FROM groups JOIN roles ON roles.tenant_id = groups.tenant_id AND roles.type = 'BASIC';

-- Every query names its tenant. Without figures SQLite takes ten rows per tenant for granted, and walks a whole tenant
-- rather than look a hundred ids up. These say how big things get: rows, then rows per value of the columns from the left.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('users', 'users_by_tenant', '100000 10000 1 1'),
  ('users', 'sqlite_autoindex_users_2', '100000 10000 1'),
  ('groups', 'groups_by_tenant', '1000 100 1 1'),
  ('group_members', 'group_members_by_tenant', '200000 20000 2'),
  ('group_members', 'group_members_by_user', '200000 2'),
  ('group_members', 'group_members', '200000 200 1'),
  ('user_roles', 'user_roles_by_tenant', '10000 1000'),
  ('group_roles', 'group_roles_by_tenant', '1000 100'),
  ('devices', 'devices_by_tenant', '200000 20000 1 1'),
  ('devices', 'sqlite_autoindex_devices_2', '200000 20000 1'),
  ('devices', 'devices_by_user', '200000 20000 2'),
  ('gateways', 'gateways_by_tenant', '1000 100 1 1'),
  ('resources', 'resources_by_tenant', '20000 2000 1 1'),
  ('addresses', 'addresses_by_tenant', '100000 10000'),
  ('addresses', 'addresses_by_resource', '100000 5 1'),
  ('address_protocols', 'address_protocols_by_tenant', '200000 20000'),
  ('resource_gateways', 'resource_gateways_by_tenant', '40000 4000'),
  ('policies', 'policies_by_tenant', '10000 1000 300 1'),
  ('policy_members', 'policy_members_by_tenant', '100000 10000'),
  ('policy_members', 'policy_members_by_member', '100000 10');
ANALYZE sqlite_schema;
