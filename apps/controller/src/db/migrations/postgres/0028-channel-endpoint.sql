-- Where the channel of a gateway comes from, for the time when no beacon sees the gateway. Another process may find that out.
ALTER TABLE gateways ADD COLUMN channel_endpoint TEXT COLLATE "C";
UPDATE gateways SET channel_endpoint = discovered_endpoint WHERE mapping_independent IS NULL;
