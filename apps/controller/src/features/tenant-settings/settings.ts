import type { RequestBody, Tenant } from '@sallyport/contract';
import type { Row, RowUpdate } from '../../db/schema.ts';
import type { Scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';

type TenantRow = Row<'tenants'>;

/** Returns the tenant's row. */
export const tenantRow = (db: Scoped): Promise<TenantRow> => db.selectTenant().selectAll().executeTakeFirstOrThrow();

/** Changes the settings. Absent fields keep their values; null removes a limit. */
export async function changeSettings(tx: Tx, row: TenantRow, wanted: RequestBody<'updateTenant'>): Promise<TenantRow> {
  const { name, timeZone, leaseSeconds, drainSeconds, localNetwork, otherNames, mtu, auditRetentionDays } = wanted;
  const values: RowUpdate<'tenants'> = {
    name,
    ...(timeZone === undefined ? {} : { time_zone: timeZone }),
    ...(leaseSeconds === undefined ? {} : { lease_ms: leaseSeconds * 1000 }),
    ...(drainSeconds === undefined ? {} : { drain_ms: drainSeconds * 1000 }),
    ...(localNetwork === undefined ? {} : { local_network: localNetwork }),
    ...(otherNames === undefined ? {} : { other_names: otherNames }),
    ...(mtu === undefined ? {} : { mtu }),
    ...(auditRetentionDays === undefined ? {} : { audit_retention_days: auditRetentionDays }),
  };
  const news = Object.entries(values).filter(([column, value]) => row[column as keyof TenantRow] !== value);
  if (news.length === 0) return row;
  // The revision is taken as this write commits; the answer tells the one that it will be.
  const changed = { ...Object.fromEntries(news), version: row.version + 1 };
  await tx.scoped.updateTenant().set(changed).execute();
  const after: TenantRow = { ...row, ...changed, revision: row.revision + 1 };
  // What decides (the zone) and what is signed (the lease) reach the tenant's runtime by this change.
  tx.changed({
    kind: 'tenant',
    id: row.id,
    op: 'update',
    name: after.name,
    before: audited(row),
    after: audited(after),
  });
  return after;
}

/** Facts about the controller in the answer. */
export interface About {
  readonly countries: boolean;
  readonly publicUrl: string | null;
  readonly installUrl: string | null;
}

/** Returns the settings of a tenant in the form of answers. */
export const tenantView = (row: TenantRow, { countries, publicUrl, installUrl }: About): Tenant => ({
  id: row.id,
  createdAt: new Date(row.created_at).toISOString(),
  name: row.name,
  timeZone: row.time_zone,
  leaseSeconds: Math.round(row.lease_ms / 1000),
  drainSeconds: Math.round(row.drain_ms / 1000),
  localNetwork: row.local_network,
  otherNames: row.other_names,
  mtu: row.mtu,
  auditRetentionDays: row.audit_retention_days,
  revision: row.revision,
  ...(publicUrl === null ? {} : { publicUrl }),
  ...(installUrl === null ? {} : { installUrl }),
  countries,
});

const audited = ({ id, name, time_zone, lease_ms, drain_ms, ...row }: TenantRow) => ({
  id,
  name,
  timeZone: time_zone,
  leaseSeconds: Math.round(lease_ms / 1000),
  drainSeconds: Math.round(drain_ms / 1000),
  localNetwork: row.local_network,
  otherNames: row.other_names,
  mtu: row.mtu,
  auditRetentionDays: row.audit_retention_days,
});
