-- Sign-ins that one request begins and another finishes travel sealed with the client. Each is good once: here are the
-- hashes of those that were finished, until they would have ended.
CREATE TABLE finished_attempts (
  hash TEXT COLLATE "C" PRIMARY KEY,
  ends_at BIGINT NOT NULL
);
CREATE INDEX finished_attempts_by_end ON finished_attempts (ends_at);

-- One-time codes with which command lines sign in, one for each person.
CREATE TABLE cli_codes (
  user_id TEXT COLLATE "C" PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
  -- SHA-256 of the code.
  code_hash TEXT COLLATE "C" NOT NULL UNIQUE,
  ends_at BIGINT NOT NULL,
  session_id TEXT COLLATE "C" NOT NULL,
  challenge TEXT COLLATE "C" NOT NULL,
  port BIGINT NOT NULL,
  host TEXT COLLATE "C" NOT NULL
);
CREATE INDEX cli_codes_by_end ON cli_codes (ends_at);

-- How often passwords and codes were guessed, by account and by source. The key is a keyed hash: the table names nobody.
CREATE TABLE guess_windows (
  key TEXT COLLATE "C" PRIMARY KEY,
  ends_at BIGINT NOT NULL,
  failures BIGINT NOT NULL
);
CREATE INDEX guess_windows_by_end ON guess_windows (ends_at);
