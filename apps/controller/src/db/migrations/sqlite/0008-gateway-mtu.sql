-- Bytes that a packet in a gateway's tunnel may have. NULL: as the tenant's settings say.
ALTER TABLE gateways ADD COLUMN mtu INTEGER;
