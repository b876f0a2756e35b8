-- People sign in: sessions, sign-in methods, and the links that let a person set one.

-- Short name that people type at sign-in. Letters, digits and hyphens.
ALTER TABLE tenants ADD COLUMN slug TEXT;
UPDATE tenants SET slug = 'tenant-' || substr(replace(id, '-', ''), 21, 12);
UPDATE tenants SET slug = 'default' WHERE id = (SELECT id FROM tenants ORDER BY created_at, id LIMIT 1);
CREATE UNIQUE INDEX tenants_by_slug ON tenants (slug);
-- JSON: the sign-in settings that differ from the defaults.
ALTER TABLE tenants ADD COLUMN sign_in TEXT NOT NULL DEFAULT '{}';

CREATE TABLE sign_in_methods (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER,
  -- PASSWORD, PASSKEY, TOTP or RECOVERY_CODES.
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  -- Credential id of a passkey; null for the other kinds.
  credential_id TEXT UNIQUE,
  -- JSON. Passwords and recovery codes are hashed, TOTP secrets are sealed with the master key.
  data TEXT NOT NULL
) STRICT;
CREATE INDEX sign_in_methods_by_user ON sign_in_methods (tenant_id, user_id, created_at, id);
CREATE UNIQUE INDEX sign_in_methods_single ON sign_in_methods (user_id, kind) WHERE kind <> 'PASSKEY';

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  -- SHA-256 of the token, hexadecimal.
  token_hash TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  method TEXT NOT NULL,
  client TEXT NOT NULL,
  source_ip TEXT
) STRICT;
CREATE INDEX sessions_by_user ON sessions (tenant_id, user_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE sign_in_links (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  -- Null: a set-up link, which makes the tenant's owner.
  user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
  secret_hash TEXT NOT NULL UNIQUE,
  -- SET_UP, INVITATION, PASSWORD or OPERATOR.
  purpose TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sign_in_links_by_tenant ON sign_in_links (tenant_id, user_id);
CREATE INDEX sign_in_links_by_end ON sign_in_links (expires_at);

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('sign_in_methods', 'sign_in_methods_by_user', '200000 20000 2 1 1'),
  ('sessions', 'sessions_by_user', '200000 20000 2');
ANALYZE sqlite_schema;
