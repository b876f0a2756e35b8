-- Resolvers that a gateway asks for names: a JSON array of { address, port, domains }. Empty: those of its host.
ALTER TABLE gateways ADD COLUMN dns_servers TEXT COLLATE "C" NOT NULL DEFAULT '[]';
