-- Virtual addresses of host names. A number makes both addresses: its place in the IPv4 range for names, and the last
-- bits of an address in the tenant's own IPv6 prefix. Numbers are unique within a tenant. A name keeps its number while
-- a resource has the name, and for a time after that.
CREATE TABLE virtual_addresses (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  -- Label of the network in which the name is resolved; empty: the gateways have none.
  network TEXT NOT NULL,
  name TEXT NOT NULL,
  number INTEGER NOT NULL,
  -- Null while a private resource has the name; afterwards the moment from which another name may get the number.
  rests_until INTEGER,
  PRIMARY KEY (tenant_id, network, name)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX virtual_addresses_by_number ON virtual_addresses (tenant_id, number);
CREATE INDEX virtual_addresses_resting ON virtual_addresses (tenant_id, rests_until) WHERE rests_until IS NOT NULL;

-- Names that resources already have. Only names have letters and no colon.
INSERT INTO virtual_addresses (tenant_id, network, name, number, rests_until)
  SELECT tenant_id, '', address, row_number() OVER (PARTITION BY tenant_id ORDER BY address), NULL
  FROM (
    SELECT DISTINCT addresses.tenant_id, addresses.address
    FROM addresses JOIN resources ON resources.id = addresses.resource_id
    WHERE resources.type = 'PRIVATE' AND addresses.address GLOB '*[a-z]*' AND addresses.address NOT LIKE '%:%'
  );
