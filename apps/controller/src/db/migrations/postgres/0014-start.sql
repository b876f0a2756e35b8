-- The tables that the SQLite migrations 0001 to 0014 make; those explain the columns. From 0015 on each migration stands
-- in both folders under the same name. Texts are ordered by code point, as in SQLite. Integers have 64 bits, as there.

CREATE TABLE meta (
  key TEXT COLLATE "C" PRIMARY KEY,
  value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE tenants (
  id TEXT COLLATE "C" PRIMARY KEY,
  created_at BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  revision BIGINT NOT NULL DEFAULT 0,
  overlay_v6 TEXT COLLATE "C" NOT NULL UNIQUE,
  mtu BIGINT NOT NULL DEFAULT 1280,
  lease_ms BIGINT NOT NULL DEFAULT 86400000,
  time_zone TEXT COLLATE "C" NOT NULL DEFAULT 'UTC',
  audit_retention_days BIGINT,
  version BIGINT NOT NULL DEFAULT 1,
  drain_ms BIGINT NOT NULL DEFAULT 300000,
  local_network TEXT COLLATE "C" NOT NULL DEFAULT 'RESOLVERS'
    CHECK (local_network IN ('CLOSED', 'RESOLVERS', 'OPEN')),
  audit_hash TEXT COLLATE "C" NOT NULL DEFAULT '0000000000000000000000000000000000000000000000000000000000000000',
  slug TEXT COLLATE "C",
  sign_in TEXT COLLATE "C" NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX tenants_by_slug ON tenants (slug);

CREATE TABLE api_keys (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  created_at BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  role TEXT COLLATE "C" NOT NULL,
  prefix TEXT COLLATE "C" NOT NULL,
  hash TEXT COLLATE "C" NOT NULL UNIQUE,
  expires_at BIGINT,
  last_used_at BIGINT
);
CREATE INDEX api_keys_by_tenant ON api_keys (tenant_id, created_at);

CREATE TABLE overlay_leases (
  number BIGINT PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  owner_kind TEXT COLLATE "C" NOT NULL,
  owner_id TEXT COLLATE "C" NOT NULL,
  rests_until BIGINT
);
CREATE INDEX overlay_leases_resting ON overlay_leases (tenant_id, rests_until) WHERE rests_until IS NOT NULL;

CREATE TABLE overlay_blocks (
  block BIGINT PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  used BIGINT NOT NULL
);
CREATE INDEX overlay_blocks_by_tenant ON overlay_blocks (tenant_id, used);

CREATE TABLE virtual_addresses (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  network TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  number BIGINT NOT NULL,
  rests_until BIGINT,
  PRIMARY KEY (tenant_id, network, name)
);
CREATE UNIQUE INDEX virtual_addresses_by_number ON virtual_addresses (tenant_id, number);
CREATE INDEX virtual_addresses_resting ON virtual_addresses (tenant_id, rests_until) WHERE rests_until IS NOT NULL;

CREATE TABLE gateways (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C",
  wireguard_port BIGINT NOT NULL,
  endpoint TEXT COLLATE "C",
  discovered_endpoint TEXT COLLATE "C",
  intent TEXT COLLATE "C" NOT NULL,
  relay_enabled BIGINT NOT NULL,
  masquerade BIGINT NOT NULL,
  deployed_on BIGINT,
  last_online BIGINT,
  error TEXT COLLATE "C",
  token_hash TEXT COLLATE "C" NOT NULL,
  token_ciphertext TEXT COLLATE "C" NOT NULL,
  identity_key TEXT COLLATE "C",
  wireguard_key TEXT COLLATE "C",
  overlay_v4 TEXT COLLATE "C" NOT NULL,
  overlay_v6 TEXT COLLATE "C" NOT NULL,
  mapping_independent BIGINT,
  relay_from BIGINT NOT NULL DEFAULT 52000,
  relay_to BIGINT NOT NULL DEFAULT 52999,
  drain_since BIGINT,
  mtu BIGINT,
  labels TEXT COLLATE "C" NOT NULL DEFAULT '[]'
);
CREATE INDEX gateways_by_tenant ON gateways (tenant_id, created_at, id);
CREATE INDEX gateways_by_wireguard_key ON gateways (wireguard_key) WHERE wireguard_key IS NOT NULL;

CREATE TABLE deleted_gateways (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  deleted_at BIGINT NOT NULL
);

CREATE TABLE users (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  email TEXT COLLATE "C" NOT NULL,
  email_key TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  invited_at BIGINT NOT NULL,
  is_owner BIGINT NOT NULL,
  first_name TEXT COLLATE "C",
  last_name TEXT COLLATE "C",
  image TEXT COLLATE "C",
  department TEXT COLLATE "C",
  attributes TEXT COLLATE "C" NOT NULL,
  max_devices BIGINT,
  last_connection BIGINT,
  UNIQUE (tenant_id, email_key)
);
CREATE INDEX users_by_tenant ON users (tenant_id, created_at, id);

CREATE TABLE groups (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C",
  max_devices BIGINT NOT NULL,
  is_default BIGINT NOT NULL,
  is_saml_default BIGINT NOT NULL,
  idp_mapping TEXT COLLATE "C" NOT NULL
);
CREATE INDEX groups_by_tenant ON groups (tenant_id, created_at, id);

CREATE TABLE devices (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  active BIGINT NOT NULL,
  user_id TEXT COLLATE "C",
  hardware_id TEXT COLLATE "C" NOT NULL,
  public_key TEXT COLLATE "C" NOT NULL,
  app_version TEXT COLLATE "C",
  posture TEXT COLLATE "C",
  last_connection BIGINT,
  overlay_v4 TEXT COLLATE "C" NOT NULL,
  overlay_v6 TEXT COLLATE "C" NOT NULL,
  source_ip TEXT COLLATE "C",
  identity_key TEXT COLLATE "C",
  reported_posture TEXT COLLATE "C",
  entry_gateway_id TEXT COLLATE "C" REFERENCES gateways (id) ON DELETE SET NULL,
  mapped_endpoint TEXT COLLATE "C",
  labels TEXT COLLATE "C" NOT NULL DEFAULT '[]',
  UNIQUE (tenant_id, public_key)
);
CREATE INDEX devices_by_tenant ON devices (tenant_id, created_at, id);
CREATE INDEX devices_by_user ON devices (tenant_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX devices_by_entry ON devices (entry_gateway_id);
CREATE INDEX devices_by_public_key ON devices (public_key) WHERE identity_key IS NOT NULL;

CREATE TABLE deleted_devices (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL,
  deleted_at BIGINT NOT NULL
);

CREATE TABLE enrolment_keys (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT,
  name TEXT COLLATE "C",
  user_id TEXT COLLATE "C" REFERENCES users (id) ON DELETE CASCADE,
  secret_hash TEXT COLLATE "C" NOT NULL
);
CREATE INDEX enrolment_keys_by_tenant ON enrolment_keys (tenant_id, created_at);
CREATE INDEX enrolment_keys_by_user ON enrolment_keys (user_id);

CREATE TABLE relay_pairs (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  a TEXT COLLATE "C" NOT NULL,
  b TEXT COLLATE "C" NOT NULL,
  relay_id TEXT COLLATE "C" NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
  port BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  needed_at BIGINT NOT NULL,
  UNIQUE (tenant_id, a, b),
  UNIQUE (relay_id, port)
);
CREATE INDEX relay_pairs_by_relay ON relay_pairs (tenant_id, relay_id);

CREATE TABLE protocols (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  created_at BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  type TEXT COLLATE "C" NOT NULL,
  network_protocols TEXT COLLATE "C" NOT NULL
);
CREATE INDEX protocols_by_tenant ON protocols (tenant_id, created_at, id);

CREATE TABLE resources (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  type TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C",
  load_balancing_mode TEXT COLLATE "C" NOT NULL,
  labels TEXT COLLATE "C" NOT NULL DEFAULT '[]'
);
CREATE INDEX resources_by_tenant ON resources (tenant_id, created_at, id);

CREATE TABLE addresses (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  resource_id TEXT COLLATE "C" NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
  position BIGINT NOT NULL,
  address TEXT COLLATE "C" NOT NULL
);
CREATE INDEX addresses_by_resource ON addresses (resource_id, position);
CREATE INDEX addresses_by_tenant ON addresses (tenant_id);

CREATE TABLE address_protocols (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  address_id TEXT COLLATE "C" NOT NULL REFERENCES addresses (id) ON DELETE CASCADE,
  protocol_id TEXT COLLATE "C" NOT NULL REFERENCES protocols (id),
  position BIGINT NOT NULL,
  PRIMARY KEY (address_id, protocol_id)
);
CREATE INDEX address_protocols_by_protocol ON address_protocols (protocol_id);
CREATE INDEX address_protocols_by_tenant ON address_protocols (tenant_id);

CREATE TABLE resource_gateways (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  resource_id TEXT COLLATE "C" NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
  gateway_id TEXT COLLATE "C" NOT NULL REFERENCES gateways (id),
  position BIGINT NOT NULL,
  PRIMARY KEY (resource_id, gateway_id)
);
CREATE INDEX resource_gateways_by_gateway ON resource_gateways (gateway_id);
CREATE INDEX resource_gateways_by_tenant ON resource_gateways (tenant_id);

CREATE TABLE admission_rules (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  type TEXT COLLATE "C" NOT NULL,
  has_time_constraint BIGINT NOT NULL,
  rule TEXT COLLATE "C",
  built_in BIGINT NOT NULL,
  version BIGINT NOT NULL DEFAULT 1,
  time_zone TEXT COLLATE "C"
);
CREATE INDEX admission_rules_by_tenant ON admission_rules (tenant_id, created_at, id);

CREATE TABLE policies (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C",
  action BIGINT NOT NULL,
  position BIGINT NOT NULL,
  is_default BIGINT NOT NULL,
  type TEXT COLLATE "C" NOT NULL,
  mode TEXT COLLATE "C",
  all_groups BIGINT NOT NULL,
  all_users BIGINT NOT NULL,
  all_devices BIGINT NOT NULL,
  all_resources BIGINT NOT NULL,
  source_ips TEXT COLLATE "C" NOT NULL,
  rule_id TEXT COLLATE "C" NOT NULL REFERENCES admission_rules (id)
);
CREATE INDEX policies_by_tenant ON policies (tenant_id, type, position);

CREATE TABLE policy_members (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  policy_id TEXT COLLATE "C" NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
  kind TEXT COLLATE "C" NOT NULL,
  member_id TEXT COLLATE "C" NOT NULL,
  position BIGINT NOT NULL,
  PRIMARY KEY (policy_id, kind, member_id)
);
CREATE INDEX policy_members_by_member ON policy_members (member_id);
CREATE INDEX policy_members_by_tenant ON policy_members (tenant_id);

CREATE TABLE roles (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C",
  type TEXT COLLATE "C" NOT NULL,
  UNIQUE (tenant_id, type)
);

CREATE TABLE identity_providers (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  issuer TEXT COLLATE "C" NOT NULL,
  client_id TEXT COLLATE "C" NOT NULL,
  client_secret TEXT COLLATE "C",
  position BIGINT NOT NULL,
  enabled BIGINT NOT NULL,
  settings TEXT COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX identity_providers_by_name ON identity_providers (tenant_id, name);

CREATE TABLE group_members (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  group_id TEXT COLLATE "C" NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_at BIGINT NOT NULL,
  provider_id TEXT COLLATE "C" REFERENCES identity_providers (id),
  PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_by_user ON group_members (user_id);
CREATE INDEX group_members_by_tenant ON group_members (tenant_id, user_id);
CREATE INDEX group_members_by_provider ON group_members (provider_id) WHERE provider_id IS NOT NULL;

CREATE TABLE user_roles (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  role_id TEXT COLLATE "C" NOT NULL REFERENCES roles (id),
  PRIMARY KEY (user_id, role_id)
);
CREATE INDEX user_roles_by_role ON user_roles (role_id);
CREATE INDEX user_roles_by_tenant ON user_roles (tenant_id);

CREATE TABLE group_roles (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  group_id TEXT COLLATE "C" NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  role_id TEXT COLLATE "C" NOT NULL REFERENCES roles (id),
  PRIMARY KEY (group_id, role_id)
);
CREATE INDEX group_roles_by_role ON group_roles (role_id);
CREATE INDEX group_roles_by_tenant ON group_roles (tenant_id);

CREATE TABLE provider_groups (
  provider_id TEXT COLLATE "C" NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
  value TEXT COLLATE "C" NOT NULL,
  group_id TEXT COLLATE "C" NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  PRIMARY KEY (provider_id, value, group_id)
);
CREATE INDEX provider_groups_by_group ON provider_groups (group_id);

CREATE TABLE sign_in_methods (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_at BIGINT NOT NULL,
  last_used_at BIGINT,
  kind TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  credential_id TEXT COLLATE "C" UNIQUE,
  data TEXT COLLATE "C" NOT NULL,
  provider_id TEXT COLLATE "C" REFERENCES identity_providers (id) ON DELETE CASCADE
);
CREATE INDEX sign_in_methods_by_user ON sign_in_methods (tenant_id, user_id, created_at, id);
CREATE INDEX sign_in_methods_by_provider ON sign_in_methods (provider_id) WHERE provider_id IS NOT NULL;
CREATE UNIQUE INDEX sign_in_methods_single ON sign_in_methods (user_id, kind) WHERE kind NOT IN ('PASSKEY', 'PROVIDER');

CREATE TABLE provider_grants (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  provider_id TEXT COLLATE "C" NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
  method_id TEXT COLLATE "C" NOT NULL REFERENCES sign_in_methods (id) ON DELETE CASCADE,
  sid TEXT COLLATE "C",
  refresh_token TEXT COLLATE "C",
  created_at BIGINT NOT NULL,
  checked_at BIGINT NOT NULL,
  next_check_at BIGINT
);
CREATE INDEX provider_grants_by_method ON provider_grants (method_id);
CREATE INDEX provider_grants_by_sid ON provider_grants (provider_id, sid);
CREATE INDEX provider_grants_by_check ON provider_grants (next_check_at) WHERE next_check_at IS NOT NULL;

CREATE TABLE provider_logouts (
  provider_id TEXT COLLATE "C" NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
  token_hash TEXT COLLATE "C" NOT NULL,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (provider_id, token_hash)
);

CREATE TABLE sessions (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  token_hash TEXT COLLATE "C" NOT NULL UNIQUE,
  created_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  method TEXT COLLATE "C" NOT NULL,
  client TEXT COLLATE "C" NOT NULL,
  source_ip TEXT COLLATE "C",
  grant_id TEXT COLLATE "C" REFERENCES provider_grants (id) ON DELETE CASCADE
);
CREATE INDEX sessions_by_user ON sessions (tenant_id, user_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);
CREATE INDEX sessions_by_grant ON sessions (grant_id) WHERE grant_id IS NOT NULL;

CREATE TABLE sign_in_links (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  user_id TEXT COLLATE "C" REFERENCES users (id) ON DELETE CASCADE,
  secret_hash TEXT COLLATE "C" NOT NULL UNIQUE,
  purpose TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  created_by TEXT COLLATE "C"
);
CREATE INDEX sign_in_links_by_tenant ON sign_in_links (tenant_id, user_id);
CREATE INDEX sign_in_links_by_end ON sign_in_links (expires_at);

CREATE TABLE mails (
  id TEXT COLLATE "C" PRIMARY KEY,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_at BIGINT NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  link_id TEXT COLLATE "C",
  state TEXT COLLATE "C" NOT NULL,
  content TEXT COLLATE "C",
  tries BIGINT NOT NULL,
  next_try_at BIGINT NOT NULL,
  ended_at BIGINT,
  failure TEXT COLLATE "C"
);
CREATE INDEX mails_by_user ON mails (tenant_id, user_id, created_at);
CREATE INDEX mails_by_time ON mails (tenant_id, created_at, id);
CREATE INDEX mails_by_turn ON mails (next_try_at) WHERE state = 'WAITING';

CREATE TABLE forgotten_passwords (
  id TEXT COLLATE "C" PRIMARY KEY,
  created_at BIGINT NOT NULL,
  content TEXT COLLATE "C" NOT NULL
);

CREATE TABLE audit_events (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  revision BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  actor_kind TEXT COLLATE "C" NOT NULL,
  actor_id TEXT COLLATE "C",
  actor_name TEXT COLLATE "C" NOT NULL,
  source_ip TEXT COLLATE "C",
  request_id TEXT COLLATE "C",
  action TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  object_id TEXT COLLATE "C" NOT NULL,
  before TEXT COLLATE "C",
  after TEXT COLLATE "C",
  prev_hash TEXT COLLATE "C" NOT NULL,
  hash TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, revision, seq)
);

CREATE TABLE audit_anchors (
  tenant_id TEXT COLLATE "C" PRIMARY KEY REFERENCES tenants (id),
  revision BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  hash TEXT COLLATE "C" NOT NULL
);

CREATE TABLE change_log (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  revision BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  object_id TEXT COLLATE "C" NOT NULL,
  op TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, revision, seq)
);

CREATE TABLE idempotency_keys (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  actor_id TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  request_hash TEXT COLLATE "C" NOT NULL,
  status BIGINT NOT NULL,
  answer_ciphertext TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, actor_id, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

INSERT INTO meta (key, value) VALUES ('overlay', '100.64.0.0/11');
