-- The IPv4 range that overlay numbers count in. Addresses that were given before it was a setting lie in the whole of
-- 100.64.0.0/10, so a database that has tenants keeps that; a new one leaves the upper half to names.
INSERT INTO meta (key, value)
  SELECT 'overlay', CASE WHEN EXISTS (SELECT 1 FROM tenants) THEN '100.64.0.0/10' ELSE '100.64.0.0/11' END;
