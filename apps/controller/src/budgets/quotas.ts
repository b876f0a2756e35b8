import type { Change, Head, ObjectKind, Tx } from '../db/store.ts';
import { ApiError } from '../errors.ts';

/** The quotas of a tenant: the objects that count, and how many it may have by default. */
const counted = {
  gateways: { kind: 'gateway', table: 'gateways', most: 1_000 },
  devices: { kind: 'device', table: 'devices', most: 100_000 },
  'enrolment-keys': { kind: 'enrolment-key', table: 'enrolment_keys', most: 100_000 },
  users: { kind: 'user', table: 'users', most: 100_000 },
  groups: { kind: 'group', table: 'groups', most: 10_000 },
  resources: { kind: 'resource', table: 'resources', most: 20_000 },
  addresses: { kind: 'resource', table: 'addresses', most: 100_000 },
  policies: { kind: 'policy', table: 'policies', most: 20_000 },
  'admission-rules': { kind: 'admission-rule', table: 'admission_rules', most: 2_000 },
  protocols: { kind: 'protocol', table: 'protocols', most: 10_000 },
  'api-keys': { kind: 'api-key', table: 'api_keys', most: 1_000 },
  // No write of the API makes one: devices do, by asking.
  'wildcard-names': { kind: 'resource', table: 'virtual_addresses', most: 10_000 },
} as const satisfies Record<string, { kind: ObjectKind; table: string; most: number }>;

/** Name of a quota, as settings spell it. */
export type QuotaName = keyof typeof counted;

/** Most objects of each kind. */
export type QuotaLimits = Readonly<Record<QuotaName, number>>;

/** Names of all quotas. */
export const quotaNames = Object.keys(counted) as QuotaName[];

/** Quotas when the operator sets none. */
export const defaultQuotas = Object.fromEntries(quotaNames.map((name) => [name, counted[name].most])) as QuotaLimits;

/** What a tenant may still have, by quota, as long as its newest audit event has this hash. */
interface Left {
  hash: string;
  readonly counts: Map<QuotaName, number>;
}

/**
 * Refuses writes that give a tenant more objects of a kind than it may have. A tenant that has too many already, because
 * the operator lowered the number, may change and delete them. Objects are counted once; what is left is then used up
 * before they are counted again, so that a write costs the same however many there are. After a
 * write of another controller, or an undone write, the hash of the newest audit event differs. Then objects are counted
 * again.
 */
export class Quotas {
  readonly #limits: QuotaLimits;
  readonly #left = new Map<string, Left>();

  constructor(limits: QuotaLimits = defaultQuotas) {
    this.#limits = limits;
  }

  /** Checks the changes of a write after its work. Throws `quota_exceeded`. */
  async check(tx: Tx, changes: readonly Change[], before: Head | null, after: Head | null): Promise<void> {
    const left = this.#leftOf(tx.tenant, before);
    for (const name of quotaNames) {
      const more = added(name, changes);
      if (more > 0) await this.#spend(tx, left, name, more);
    }
    if (after === null) return void this.#left.delete(tx.tenant);
    left.hash = after.hash;
    this.#left.set(tx.tenant, left);
  }

  #leftOf(tenant: string, before: Head | null): Left {
    const known = this.#left.get(tenant);
    if (known !== undefined && known.hash === before?.hash) return known;
    return { hash: '', counts: new Map() };
  }

  async #spend(tx: Tx, { counts }: Left, name: QuotaName, more: number): Promise<void> {
    const known = counts.get(name) ?? 0;
    if (known >= more) {
      counts.set(name, known - more);
      return;
    }
    counts.delete(name);
    const most = this.#limits[name];
    const { count } = await tx.scoped
      .selectFrom(counted[name].table)
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    if (count > most)
      throw new ApiError(
        'quota_exceeded',
        `The tenant may have ${most} ${name.replace('-', ' ')}: delete some, or ask the operator to raise the limit`,
      );
    counts.set(name, most - count);
  }
}

function added(name: QuotaName, changes: readonly Change[]): number {
  let count = 0;
  for (const { kind, op, before, after } of changes) {
    if (kind !== counted[name].kind || name === 'wildcard-names') continue;
    if (name === 'addresses') count += Math.max(0, addressesIn(after) - addressesIn(before));
    else if (op === 'create') count++;
  }
  return count;
}

function addressesIn(resource: object | null | undefined): number {
  const addresses = (resource as { addresses?: unknown } | null | undefined)?.addresses;
  return Array.isArray(addresses) ? addresses.length : 0;
}
