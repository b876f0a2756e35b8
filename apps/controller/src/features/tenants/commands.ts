import { randomBytes, randomUUID } from 'node:crypto';
import { canonicalPrefix, formatAddress } from '@sallyport/contract';
import { unscoped } from '../../db/scoped.ts';
import type { Actor, Store, WriteContext } from '../../db/store.ts';
import { notFound } from '../../errors.ts';
import { insertBuiltIns } from './built-ins.ts';

export interface CreatedTenant {
  readonly id: string;
  readonly name: string;
  /** First API key, role OWNER. Nobody can read it again. */
  readonly key: string;
}

/** Makes the first key of a tenant; handed in so that this feature stays apart from that of the keys. */
export type MakeOwnerKey = (
  tx: Parameters<Parameters<Store['write']>[1]>[0],
  name: string,
  key?: string,
) => Promise<{ key: string }>;

export interface TenantDeps {
  readonly store: Store;
  readonly makeOwnerKey: MakeOwnerKey;
}

/** Creates a tenant with what every tenant starts with, and its first key, in one transaction. */
export async function createTenant(
  { store, makeOwnerKey }: TenantDeps,
  actor: Actor,
  name: string,
  key?: string,
): Promise<CreatedTenant> {
  const id = randomUUID();
  return store.write(context(id, actor, 'create tenant'), async (tx) => {
    const row = { id, created_at: tx.now, name, overlay_v6: randomOverlay(randomBytes(5)) };
    await tx.db
      .insertInto('tenants')
      .values({ ...row, ...tenantDefaults })
      .execute();
    tx.changed({ kind: 'tenant', id, op: 'create', name, before: null, after: row });
    await insertBuiltIns(tx);
    return { id, name, key: (await makeOwnerKey(tx, 'First key', key)).key };
  });
}

/** A further OWNER key for a tenant that has lost its own. */
export async function recoverTenant(
  { store, makeOwnerKey }: TenantDeps,
  actor: Actor,
  tenant: string,
  name: string,
): Promise<{ key: string }> {
  const found = (await listTenants(store)).some(({ id }) => id === tenant);
  if (!found) throw notFound();
  return store.write(context(tenant, actor, 'recover tenant'), async (tx) => ({
    key: (await makeOwnerKey(tx, name)).key,
  }));
}

export function listTenants(store: Store) {
  return unscoped(store.db, 'the operator sees all tenants')
    .selectFrom('tenants')
    .select(['id', 'name', 'created_at', 'revision'])
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

const tenantDefaults = { revision: 0, mtu: 1280, lease_ms: 24 * 3600 * 1000 };

/** Unique local prefix (RFC 4193): fd, then 40 random bits, then a subnet of ours to count in. */
function randomOverlay(globalId: Buffer): string {
  const first = (0xfdn << 120n) | (BigInt(`0x${globalId.toString('hex')}`) << 80n);
  const prefix = canonicalPrefix(`${formatAddress(6, first)}/48`);
  if (prefix === null) throw new Error('an overlay prefix is always valid');
  return prefix;
}

const context = (tenant: string, actor: Actor, action: string): WriteContext => ({
  tenant,
  actor,
  action,
  sourceIp: null,
  requestId: null,
});
