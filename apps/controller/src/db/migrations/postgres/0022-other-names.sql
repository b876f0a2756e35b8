-- What gateways do with queries of devices for names that are no resource's.
ALTER TABLE tenants ADD COLUMN other_names TEXT COLLATE "C" NOT NULL DEFAULT 'FORWARD'
  CHECK (other_names IN ('FORWARD', 'REFUSE'));
