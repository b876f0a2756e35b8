-- Native devices, endpoints, relays.

-- Pinned when the device enrols; null: a plain device.
ALTER TABLE devices ADD COLUMN identity_key TEXT;
-- Facts that the device's own client has told, JSON; `posture` is what administrators say, and wins.
ALTER TABLE devices ADD COLUMN reported_posture TEXT;
-- Gateway through which a plain device comes in.
ALTER TABLE devices ADD COLUMN entry_gateway_id TEXT REFERENCES gateways (id) ON DELETE SET NULL;
CREATE INDEX devices_by_entry ON devices (entry_gateway_id);
-- Public endpoint of the device's WireGuard socket, as the beacon sees it; null: none, or it depends on the destination.
ALTER TABLE devices ADD COLUMN mapped_endpoint TEXT;

-- Keys with which one device can enrol once. The id is the one that the device gets.
CREATE TABLE enrolment_keys (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  name TEXT,
  user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
  -- Keyed hash of the random part.
  secret_hash TEXT NOT NULL
) STRICT;
CREATE INDEX enrolment_keys_by_tenant ON enrolment_keys (tenant_id, created_at);
CREATE INDEX enrolment_keys_by_user ON enrolment_keys (user_id);

-- Devices that are gone, so that their clients undo everything when they come back.
CREATE TABLE deleted_devices (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  deleted_at INTEGER NOT NULL
) STRICT;

-- 1: the discovered endpoint is what the beacon saw; 0: the channel's source address with the WireGuard port.
ALTER TABLE gateways ADD COLUMN mapping_independent INTEGER;
ALTER TABLE gateways ADD COLUMN relay_from INTEGER NOT NULL DEFAULT 52000;
ALTER TABLE gateways ADD COLUMN relay_to INTEGER NOT NULL DEFAULT 52999;
-- When MAINTENANCE began, and with it the drain deadline.
ALTER TABLE gateways ADD COLUMN drain_since INTEGER;

ALTER TABLE tenants ADD COLUMN drain_ms INTEGER NOT NULL DEFAULT 300000;

-- Pairs between which a gateway relays. `a` and `b` are ids of a device or gateway and of a gateway, a < b as text.
CREATE TABLE relay_pairs (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  a TEXT NOT NULL,
  b TEXT NOT NULL,
  relay_id TEXT NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
  port INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  -- Last time that an end said it needs it; pairs that nobody needs are taken back after a day.
  needed_at INTEGER NOT NULL,
  UNIQUE (tenant_id, a, b),
  UNIQUE (relay_id, port)
) STRICT;
CREATE INDEX relay_pairs_by_relay ON relay_pairs (tenant_id, relay_id);

-- A WireGuard handshake names a key only.
CREATE INDEX gateways_by_wireguard_key ON gateways (wireguard_key) WHERE wireguard_key IS NOT NULL;
CREATE INDEX devices_by_public_key ON devices (public_key) WHERE identity_key IS NOT NULL;
