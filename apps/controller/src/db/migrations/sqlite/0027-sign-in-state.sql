-- Sign-ins that one request begins and another finishes travel sealed with the client. Each is good once: here are the
-- hashes of those that were finished, until they would have ended.
CREATE TABLE finished_attempts (
  hash TEXT PRIMARY KEY,
  ends_at INTEGER NOT NULL
) STRICT;
CREATE INDEX finished_attempts_by_end ON finished_attempts (ends_at);

-- One-time codes with which command lines sign in, one for each person.
CREATE TABLE cli_codes (
  user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  -- SHA-256 of the code.
  code_hash TEXT NOT NULL UNIQUE,
  ends_at INTEGER NOT NULL,
  session_id TEXT NOT NULL,
  challenge TEXT NOT NULL,
  port INTEGER NOT NULL,
  host TEXT NOT NULL
) STRICT;
CREATE INDEX cli_codes_by_end ON cli_codes (ends_at);

-- How often passwords and codes were guessed, by account and by source. The key is a keyed hash: the table names nobody.
CREATE TABLE guess_windows (
  key TEXT PRIMARY KEY,
  ends_at INTEGER NOT NULL,
  failures INTEGER NOT NULL
) STRICT;
CREATE INDEX guess_windows_by_end ON guess_windows (ends_at);
