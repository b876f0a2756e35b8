import { randomBytes, randomUUIDv7 } from 'node:crypto';
import type { ApiKey } from '@sallyport/contract';
import { canonicalPrefix, formatAddress } from '@sallyport/ip';
import { lockShared } from '../../db/across-tenants.ts';
import { unscoped } from '../../db/scoped.ts';
import type { Actor, Store, Tx, WriteContext } from '../../db/store.ts';
import { notFound } from '../../errors.ts';
import { issueApiKey, type NewApiKey } from '../../objects/api-keys/keys.ts';
import { slugOf } from '../../objects/sign-in/settings.ts';
import { listTenants } from '../../objects/tenants/queries.ts';
import { insertBuiltIns } from './built-ins.ts';

/** A new tenant and its first key. */
export interface CreatedTenant {
  readonly tenant: { readonly id: string; readonly name: string };
  /** First key, role OWNER. It cannot be read again. */
  readonly apiKey: ApiKey & { readonly key: string };
}

/** Creates a tenant with what every tenant starts with, and its first key (`key` or a new one), in one transaction. */
export async function createTenant(store: Store, actor: Actor, name: string, key?: string): Promise<CreatedTenant> {
  const id = randomUUIDv7();
  return store.write(context(id, actor, 'create tenant'), async (tx) => {
    const slug = await freeSlug(tx, name);
    const row = { created_at: tx.now, name, slug, overlay_v6: randomOverlay(randomBytes(5)), ...tenantDefaults };
    await tx.scoped.insertTenant(row).execute();
    tx.changed({ kind: 'tenant', id, op: 'create', name, before: null, after: { id, ...row } });
    await insertBuiltIns(tx);
    const first = { name: 'First key', role: 'OWNER' as const, expiresAt: null };
    const apiKey = await issueApiKey(tx, key === undefined ? first : { ...first, key });
    return { tenant: { id, name }, apiKey };
  });
}

/** Issues another key for a tenant that has lost its own. */
export async function recoverTenant(
  store: Store,
  actor: Actor,
  tenant: string,
  wanted: Omit<NewApiKey, 'key'>,
): Promise<ApiKey> {
  const found = (await listTenants(store)).some(({ id }) => id === tenant);
  if (!found) throw notFound();
  return store.write(context(tenant, actor, 'recover tenant'), (tx) => issueApiKey(tx, wanted));
}

/** Returns a short name made from the tenant's name that no other tenant has. */
async function freeSlug(tx: Tx, name: string): Promise<string> {
  const wanted = slugOf(name) || 'tenant';
  await lockShared(tx, 'slugs');
  const taken = await unscoped(tx.db, 'short names are unique on the controller')
    .selectFrom('tenants')
    .select('id')
    .where('slug', '=', wanted)
    .executeTakeFirst();
  return taken === undefined ? wanted : `${wanted.slice(0, 31)}-${randomBytes(4).toString('hex')}`;
}

const tenantDefaults = { revision: 0, mtu: 1280, lease_ms: 24 * 3600 * 1000, audit_retention_days: 400 };

/** Returns a unique local prefix (RFC 4193): fd, then 40 random bits. We number the subnet below it. */
function randomOverlay(globalId: Buffer): string {
  const first = (0xfdn << 120n) | (BigInt(`0x${globalId.toString('hex')}`) << 80n);
  const prefix = canonicalPrefix(`${formatAddress({ family: 6, value: first })}/48`);
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
