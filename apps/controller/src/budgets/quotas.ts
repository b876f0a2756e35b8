import type { Change, Head, ObjectKind, Tx, WriteCheck } from '../db/store.ts';
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

/** What a tenant may still have, by quota, at a head of the tenant. */
interface Left {
  readonly head: Head;
  readonly counts: Map<QuotaName, number>;
}

/**
 * Refuses writes that give a tenant more objects of a kind than it may have. A tenant that has too many already, because
 * the operator lowered the number, may change and delete them. Objects are counted once; what is left is then used up
 * before they are counted again, so that a write costs the same however many there are. What another controller has
 * created meanwhile is taken off. After an undone write, objects are counted again.
 */
export class Quotas implements WriteCheck {
  readonly #limits: QuotaLimits;
  readonly #left = new Map<string, Left>();
  /** What is left for writes that have begun. */
  readonly #begun = new WeakMap<Tx, Promise<Left['counts']>>();

  constructor(limits: QuotaLimits = defaultQuotas) {
    this.#limits = limits;
  }

  /** Reads what others have created since, so that the write does not wait for that at its end. */
  ahead(tx: Tx, heard: number): void {
    const known = this.#left.get(tx.tenant);
    if (known === undefined || heard <= known.head.revision) return;
    const counts = countsSince(tx, known, heard, Number.MAX_SAFE_INTEGER);
    counts.catch(() => undefined);
    this.#begun.set(tx, counts);
  }

  /** Checks the changes of a write after its work. Throws `quota_exceeded`. */
  async check(tx: Tx, changes: readonly Change[], before: Head | null, after: Head | null): Promise<void> {
    const names = quotaNames.filter((name) => added(name, changes) > 0);
    const known = this.#left.get(tx.tenant);
    const isNow = known !== undefined && known.head.hash === before?.hash;
    if (names.length === 0 && !isNow) return;
    const counts = isNow ? known.counts : await (this.#begun.get(tx) ?? countsAt(tx, before, known));
    for (const name of names) await this.#spend(tx, counts, name, added(name, changes));
    if (after === null) this.#left.delete(tx.tenant);
    else this.#left.set(tx.tenant, { head: after, counts });
  }

  async #spend(tx: Tx, counts: Left['counts'], name: QuotaName, more: number): Promise<void> {
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

/** Revisions of others that are looked through. After more of them it is cheaper to count the objects. */
const mostForeign = 1_000;

/** Returns what is left at a head, from what was left at an earlier one. What is missing must be counted. */
const countsAt = async (tx: Tx, head: Head | null, known: Left | undefined): Promise<Map<QuotaName, number>> =>
  head === null || known === undefined ? new Map() : countsSince(tx, known, head.revision, head.revision);

/** Returns what is left after the revisions up to `upTo`, from what was left before them. `about`: how far these go. */
async function countsSince(tx: Tx, known: Left, about: number, upTo: number): Promise<Map<QuotaName, number>> {
  const foreign = about - known.head.revision;
  if (known.counts.size === 0 || foreign < 0 || foreign > mostForeign) return new Map();
  const [isPast, made] = await Promise.all([isInTrail(tx, known.head), changesBetween(tx, known.head, upTo)]);
  const counts = new Map<QuotaName, number>();
  if (!isPast) return counts;
  for (const [name, left] of known.counts) {
    const own = made.filter(({ kind }) => kind === counted[name].kind);
    // The log does not tell the addresses of a resource.
    if (name === 'addresses' && own.length > 0) continue;
    const created = own.find(({ op }) => op === 'create')?.count ?? 0;
    if (created <= left) counts.set(name, left - created);
  }
  return counts;
}

/** Whether a head was committed: its write was not undone. */
async function isInTrail({ scoped, tenant }: Tx, { revision, hash }: Head): Promise<boolean> {
  const found = await scoped.run('head in trail', [tenant, revision, hash], () =>
    scoped.selectFrom('audit_events').select('seq').where('revision', '=', revision).where('hash', '=', hash).compile(),
  );
  return found.length > 0;
}

/** Counts the changes behind a head and up to a revision, by kind and operation. */
const changesBetween = ({ scoped, tenant }: Tx, { revision: after }: Head, upTo: number) =>
  scoped.run('changes between', [tenant, after, upTo], () =>
    scoped
      .selectFrom('change_log')
      .select((eb) => ['kind', 'op', eb.fn.countAll<number>().as('count')])
      .where('revision', '>', after)
      .where('revision', '<=', upTo)
      .groupBy(['kind', 'op'])
      .compile(),
  );

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
