-- Mail to people, and who made a sign-in link.

-- Name of the caller who made the link; null: the person asked for it by mail, or it is older than this column.
ALTER TABLE sign_in_links ADD COLUMN created_by TEXT;

-- The outbox. A mail is written in the transaction of what it is about, and sent afterwards.
CREATE TABLE mails (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  -- The mail goes to the address of this user.
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  -- INVITATION, PASSWORD or NOTICE.
  kind TEXT NOT NULL,
  -- The link that the mail carries. A mail without its link is not sent.
  link_id TEXT,
  -- WAITING, SENT or FAILED.
  state TEXT NOT NULL,
  -- Sealed with the master key, because it can hold the secret of a link. Null once the mail no longer waits.
  content TEXT,
  tries INTEGER NOT NULL,
  next_try_at INTEGER NOT NULL,
  ended_at INTEGER,
  -- Why the last try failed, for people.
  failure TEXT
) STRICT;
CREATE INDEX mails_by_user ON mails (tenant_id, user_id, created_at);
CREATE INDEX mails_by_time ON mails (tenant_id, created_at, id);
CREATE INDEX mails_by_turn ON mails (next_try_at) WHERE state = 'WAITING';

-- Requests for a new password, as anybody can make them. Accounts are looked up later, so that a request costs the same
-- for an account that does not exist.
CREATE TABLE forgotten_passwords (
  id TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL,
  -- Sealed with the master key: short name of the tenant, and address.
  content TEXT NOT NULL
) STRICT;
