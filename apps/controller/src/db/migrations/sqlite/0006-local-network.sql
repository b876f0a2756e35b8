-- What a full tunnel leaves to a native device of the networks that the device is connected to.
ALTER TABLE tenants ADD COLUMN local_network TEXT NOT NULL DEFAULT 'RESOLVERS'
  CHECK (local_network IN ('CLOSED', 'RESOLVERS', 'OPEN'));
