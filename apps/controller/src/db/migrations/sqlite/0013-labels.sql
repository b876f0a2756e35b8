-- Labels that administrators give to objects: a JSON array of texts, in order, without repetition.
ALTER TABLE gateways ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
ALTER TABLE devices ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
ALTER TABLE resources ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
