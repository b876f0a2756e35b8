-- Conventions: text ids (UUID version 7, so that rows that come together lie together), integer milliseconds since the epoch, 0/1 booleans, JSON as text. Every table but meta,
-- overlay_leases and deleted_gateways is read through tenant_id.

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE tenants (
  id TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL,
  name TEXT NOT NULL,
  -- Taken by UPDATE inside the writing transaction, so that commit order is revision order.
  revision INTEGER NOT NULL DEFAULT 0,
  overlay_v6 TEXT NOT NULL UNIQUE,
  mtu INTEGER NOT NULL DEFAULT 1280,
  lease_ms INTEGER NOT NULL DEFAULT 86400000
) STRICT;

CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  created_at INTEGER NOT NULL,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  prefix TEXT NOT NULL,
  -- SHA-256 of the key, hexadecimal.
  hash TEXT NOT NULL UNIQUE,
  expires_at INTEGER,
  last_used_at INTEGER
) STRICT;
CREATE INDEX api_keys_by_tenant ON api_keys (tenant_id, created_at);

-- One row per overlay number ever given. The number makes both addresses: its place in the IPv4 overlay, which all
-- tenants share, and the last bits of an address in the tenant's own IPv6 prefix.
CREATE TABLE overlay_leases (
  number INTEGER PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  owner_kind TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  -- Null while in use; afterwards the moment from which the number may be given again.
  rests_until INTEGER
) STRICT;
CREATE INDEX overlay_leases_resting ON overlay_leases (rests_until) WHERE rests_until IS NOT NULL;

CREATE TABLE gateways (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  description TEXT,
  wireguard_port INTEGER NOT NULL,
  endpoint TEXT,
  discovered_endpoint TEXT,
  intent TEXT NOT NULL,
  relay_enabled INTEGER NOT NULL,
  masquerade INTEGER NOT NULL,
  deployed_on INTEGER,
  last_online INTEGER,
  error TEXT,
  -- Keyed hash of the token's secret, and the whole token encrypted with the master key.
  token_hash TEXT NOT NULL,
  token_ciphertext TEXT NOT NULL,
  identity_key TEXT,
  wireguard_key TEXT,
  overlay_v4 TEXT NOT NULL,
  overlay_v6 TEXT NOT NULL
) STRICT;
CREATE INDEX gateways_by_tenant ON gateways (tenant_id, created_at, id);

CREATE TABLE deleted_gateways (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  deleted_at INTEGER NOT NULL
) STRICT;

CREATE TABLE devices (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  active INTEGER NOT NULL,
  user_id TEXT,
  hardware_id TEXT NOT NULL,
  public_key TEXT NOT NULL,
  app_version TEXT,
  posture TEXT,
  last_connection INTEGER,
  overlay_v4 TEXT NOT NULL,
  overlay_v6 TEXT NOT NULL,
  UNIQUE (tenant_id, public_key)
) STRICT;
CREATE INDEX devices_by_tenant ON devices (tenant_id, created_at, id);

CREATE TABLE protocols (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  created_at INTEGER NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  -- JSON: [{protocol, port?}]
  network_protocols TEXT NOT NULL
) STRICT;
CREATE INDEX protocols_by_tenant ON protocols (tenant_id, created_at, id);

CREATE TABLE resources (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  description TEXT,
  load_balancing_mode TEXT NOT NULL
) STRICT;
CREATE INDEX resources_by_tenant ON resources (tenant_id, created_at, id);

CREATE TABLE addresses (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  resource_id TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  address TEXT NOT NULL
) STRICT;
CREATE INDEX addresses_by_resource ON addresses (resource_id, position);
CREATE INDEX addresses_by_tenant ON addresses (tenant_id);

CREATE TABLE address_protocols (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  address_id TEXT NOT NULL REFERENCES addresses (id) ON DELETE CASCADE,
  protocol_id TEXT NOT NULL REFERENCES protocols (id),
  position INTEGER NOT NULL,
  PRIMARY KEY (address_id, protocol_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX address_protocols_by_protocol ON address_protocols (protocol_id);
CREATE INDEX address_protocols_by_tenant ON address_protocols (tenant_id);

CREATE TABLE resource_gateways (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  resource_id TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
  gateway_id TEXT NOT NULL REFERENCES gateways (id),
  position INTEGER NOT NULL,
  PRIMARY KEY (resource_id, gateway_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX resource_gateways_by_gateway ON resource_gateways (gateway_id);
CREATE INDEX resource_gateways_by_tenant ON resource_gateways (tenant_id);

CREATE TABLE admission_rules (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  has_time_constraint INTEGER NOT NULL,
  rule TEXT,
  built_in INTEGER NOT NULL
) STRICT;
CREATE INDEX admission_rules_by_tenant ON admission_rules (tenant_id, created_at, id);

CREATE TABLE policies (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  description TEXT,
  action INTEGER NOT NULL,
  -- The API's `order`: lower is evaluated first, within a type.
  position INTEGER NOT NULL,
  is_default INTEGER NOT NULL,
  type TEXT NOT NULL,
  mode TEXT,
  all_groups INTEGER NOT NULL,
  all_users INTEGER NOT NULL,
  all_devices INTEGER NOT NULL,
  all_resources INTEGER NOT NULL,
  -- JSON: [prefix]
  source_ips TEXT NOT NULL,
  rule_id TEXT NOT NULL REFERENCES admission_rules (id)
) STRICT;
CREATE INDEX policies_by_tenant ON policies (tenant_id, type, position);

-- kind: device, resource, gateway (user and group once they exist).
CREATE TABLE policy_members (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  policy_id TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  member_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (policy_id, kind, member_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX policy_members_by_member ON policy_members (member_id);
CREATE INDEX policy_members_by_tenant ON policy_members (tenant_id);

CREATE TABLE audit_events (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  revision INTEGER NOT NULL,
  -- Place within the revision, from 0.
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  actor_kind TEXT NOT NULL,
  actor_id TEXT,
  actor_name TEXT NOT NULL,
  source_ip TEXT,
  request_id TEXT,
  action TEXT NOT NULL,
  kind TEXT NOT NULL,
  object_id TEXT NOT NULL,
  -- JSON of the object without secrets, null when it did not exist.
  before TEXT,
  after TEXT,
  -- Each event holds the hash of the one before it in its tenant.
  prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (tenant_id, revision, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE change_log (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  revision INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  kind TEXT NOT NULL,
  object_id TEXT NOT NULL,
  op TEXT NOT NULL,
  PRIMARY KEY (tenant_id, revision, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  key TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  -- SHA-256 of method, path and body.
  request_hash TEXT NOT NULL,
  status INTEGER NOT NULL,
  -- The answer, encrypted with the master key: it may carry a token.
  answer_ciphertext TEXT NOT NULL,
  PRIMARY KEY (tenant_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
