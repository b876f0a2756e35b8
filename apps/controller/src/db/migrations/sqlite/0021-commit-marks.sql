-- Marks that transactions leave. When the answer to a commit is lost, its mark tells whether it happened. SQLite answers
-- always, so there the table stays empty.
CREATE TABLE commit_marks (
  id TEXT PRIMARY KEY,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX commit_marks_by_age ON commit_marks (at);
