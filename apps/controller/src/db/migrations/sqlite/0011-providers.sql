-- Sign-in through OpenID Connect providers: the providers, what they give to whom, and the sessions that come from them.

CREATE TABLE identity_providers (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  issuer TEXT NOT NULL,
  client_id TEXT NOT NULL,
  -- Sealed with the master key. Null: a public client.
  client_secret TEXT,
  position INTEGER NOT NULL,
  enabled INTEGER NOT NULL,
  -- JSON: everything else.
  settings TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX identity_providers_by_name ON identity_providers (tenant_id, name);

-- Values of the groups claim, and the groups that each puts people into.
CREATE TABLE provider_groups (
  provider_id TEXT NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
  value TEXT NOT NULL,
  group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  PRIMARY KEY (provider_id, value, group_id)
) STRICT;
CREATE INDEX provider_groups_by_group ON provider_groups (group_id);

-- Where a membership comes from. Null: administrators.
ALTER TABLE group_members ADD COLUMN provider_id TEXT REFERENCES identity_providers (id);
CREATE INDEX group_members_by_provider ON group_members (provider_id) WHERE provider_id IS NOT NULL;

-- The provider of a method of the kind PROVIDER. Its credential id is "<provider> <subject>".
ALTER TABLE sign_in_methods ADD COLUMN provider_id TEXT REFERENCES identity_providers (id) ON DELETE CASCADE;
CREATE INDEX sign_in_methods_by_provider ON sign_in_methods (provider_id) WHERE provider_id IS NOT NULL;
DROP INDEX sign_in_methods_single;
CREATE UNIQUE INDEX sign_in_methods_single ON sign_in_methods (user_id, kind) WHERE kind NOT IN ('PASSKEY', 'PROVIDER');

-- What a sign-in through a provider goes on with. Its sessions end with it.
CREATE TABLE provider_grants (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  provider_id TEXT NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
  method_id TEXT NOT NULL REFERENCES sign_in_methods (id) ON DELETE CASCADE,
  -- Session of the provider (claim sid). Null: it has none.
  sid TEXT,
  -- Sealed with the master key. Null: the provider gave none.
  refresh_token TEXT,
  created_at INTEGER NOT NULL,
  -- When the provider last confirmed it.
  checked_at INTEGER NOT NULL,
  -- When to ask the provider again. Null: never.
  next_check_at INTEGER
) STRICT;
CREATE INDEX provider_grants_by_method ON provider_grants (method_id);
CREATE INDEX provider_grants_by_sid ON provider_grants (provider_id, sid);
CREATE INDEX provider_grants_by_check ON provider_grants (next_check_at) WHERE next_check_at IS NOT NULL;

ALTER TABLE sessions ADD COLUMN grant_id TEXT REFERENCES provider_grants (id) ON DELETE CASCADE;
CREATE INDEX sessions_by_grant ON sessions (grant_id) WHERE grant_id IS NOT NULL;

-- Logout tokens that were used. Each works once.
CREATE TABLE provider_logouts (
  provider_id TEXT NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
  -- SHA-256 of the claim jti.
  token_hash TEXT NOT NULL,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (provider_id, token_hash)
) STRICT;
