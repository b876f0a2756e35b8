-- Label of the private network in which the gateway stands. Empty: the one network of all gateways without a label.
ALTER TABLE gateways ADD COLUMN network TEXT NOT NULL DEFAULT '';
