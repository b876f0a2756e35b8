import { type LogPart, logSpan, readLog } from '../../db/change-log.ts';
import { type Scoped, scoped } from '../../db/scoped.ts';
import type { HeardLog, LoggedRevision, Store } from '../../db/store.ts';
import { type Selection, selected } from './selection.ts';
import { attachedResources, findGateways, type GatewayRow, listGateways } from './store.ts';
import { GatewayText, type PresenceSource } from './views.ts';

/** The list of a tenant's gateways as JSON text, kept between requests. Each request reads from the log what changed since. */
export class GatewayLists {
  readonly #store: Store;
  readonly #presence: PresenceSource;
  readonly #openToken: (row: GatewayRow) => string;
  readonly #lists = new Map<string, TenantList>();

  constructor(store: Store, presence: PresenceSource, openToken: (row: GatewayRow) => string) {
    this.#store = store;
    this.#presence = presence;
    this.#openToken = openToken;
  }

  async text(tenant: string, withTokens: boolean): Promise<Buffer> {
    const list = this.#lists.get(tenant) ?? new TenantList(this.#openToken);
    this.#keep(tenant, list);
    await list.refresh(this.#store, tenant);
    await list.prepare(this.#presence, withTokens);
    return list.text(this.#presence, withTokens);
  }

  /** Returns the texts of some gateways, and how many fit. */
  async some(tenant: string, withTokens: boolean, selection: Selection): Promise<{ text: Buffer; total: number }> {
    const list = this.#lists.get(tenant) ?? new TenantList(this.#openToken);
    this.#keep(tenant, list);
    await list.refresh(this.#store, tenant);
    return list.some(this.#presence, withTokens, selection);
  }

  /** Notes times that were written to rows without a commit that listeners see. */
  lastOnline(tenant: string, moments: ReadonlyMap<string, number>): void {
    this.#lists.get(tenant)?.lastOnline(moments);
  }

  /** Keeps the list of this tenant as the most recently used one, and drops the oldest. */
  #keep(tenant: string, list: TenantList): void {
    this.#lists.delete(tenant);
    this.#lists.set(tenant, list);
    const oldest = this.#lists.size > keptTenants ? this.#lists.keys().next().value : undefined;
    if (oldest !== undefined) this.#lists.delete(oldest);
  }
}

const keptTenants = 500;

/** Texts made before others get their turn: a few milliseconds. */
const textsPerSlice = 100;

class TenantList {
  readonly #openToken: (row: GatewayRow) => string;
  #texts = new Map<string, GatewayText>();
  #joined: { withTokens: boolean; buffer: Buffer }[] = [];
  /** Revision of the rows that the texts are made from; null: everything must be read. */
  #at: number | null = null;
  /** Gateways whose rows changed without a revision. */
  #touched = new Set<string>();
  #refreshing: Promise<void> | null = null;

  constructor(openToken: (row: GatewayRow) => string) {
    this.#openToken = openToken;
  }

  lastOnline(moments: ReadonlyMap<string, number>): void {
    for (const id of moments.keys()) this.#touched.add(id);
  }

  /** Brings the rows to the tenant's present revision. */
  async refresh(store: Store, tenant: string): Promise<void> {
    // A read that is under way may have begun before the latest commit; the one after it has not.
    for (let reads = 0; reads < 2 && this.#isBehind(store.log, tenant); reads++) {
      this.#refreshing ??= this.#read(store, tenant).finally(() => {
        this.#refreshing = null;
      });
      await this.#refreshing;
    }
  }

  #isBehind(log: HeardLog, tenant: string): boolean {
    if (this.#at === null || this.#touched.size > 0) return true;
    const news = log.recent(tenant, this.#at);
    if (news === null || news.some(isShown)) return true;
    this.#at = news.at(-1)?.revision ?? this.#at;
    return false;
  }

  /** Makes the texts of many gateways in slices, so that others get their turn; `text` finds them made. */
  async prepare(presence: PresenceSource, withTokens: boolean): Promise<void> {
    let made = 0;
    for (const [id, text] of this.#texts) {
      if (text.observe(presence.presence(id))) this.#joined = [];
      if (!text.make(withTokens) || ++made % textsPerSlice !== 0) continue;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  text(presence: PresenceSource, withTokens: boolean): Buffer {
    for (const [id, text] of this.#texts) if (text.observe(presence.presence(id))) this.#joined = [];
    const known = this.#joined.find((joined) => joined.withTokens === withTokens);
    if (known !== undefined) return known.buffer;
    const texts = [...this.#texts.values()].map((text) => text.text(withTokens));
    const buffer = Buffer.from(`[${texts.join(',')}]`);
    this.#joined.push({ withTokens, buffer });
    return buffer;
  }

  async some(presence: PresenceSource, withTokens: boolean, selection: Selection) {
    for (const [id, text] of this.#texts) if (text.observe(presence.presence(id))) this.#joined = [];
    const { page, total } = selected([...this.#texts.values()], selection);
    const texts: string[] = [];
    for (const [at, text] of page.entries()) {
      text.observe(presence.presence(text.row.id));
      texts.push(selection.summary ? text.summary() : text.text(withTokens));
      if (at % textsPerSlice === textsPerSlice - 1) await new Promise((resolve) => setImmediate(resolve));
    }
    return { text: Buffer.from(`[${texts.join(',')}]`), total };
  }

  async #read(store: Store, tenant: string): Promise<void> {
    const [at, touched] = [this.#at, this.#touched];
    this.#touched = new Set();
    try {
      const { head, ids, rows, resources } = await store.read(async (open) => {
        const db = scoped(open, tenant);
        const { head, revisions } = await (at === null ? newest(db) : readLog(db, at));
        const ids = revisions === null ? null : touched.union(changedGateways(revisions));
        const rows = await (ids === null ? listGateways(db) : findGateways(db, [...ids]));
        return { head, ids, rows, resources: await attachedResources(db) };
      });
      this.#adopt(ids, rows, resources);
      this.#at = head;
    } catch (error) {
      this.#at = null;
      throw error;
    }
  }

  #adopt(
    stale: ReadonlySet<string> | null,
    rows: readonly GatewayRow[],
    resources: Awaited<ReturnType<typeof attachedResources>>,
  ): void {
    this.#joined = [];
    const fresh = new Map(rows.map((row) => [row.id, row]));
    const kept = [...this.#texts.values()].filter(({ row }) => stale !== null && !stale.has(row.id));
    const attached = (id: string) => resources.get(id) ?? [];
    const texts = kept.map((text) =>
      alike(text.resources, attached(text.row.id)) ? text : this.#textOf(text.row, attached(text.row.id)),
    );
    for (const row of fresh.values()) texts.push(this.#textOf(row, attached(row.id)));
    texts.sort((a, b) => a.row.created_at - b.row.created_at || (a.row.id < b.row.id ? -1 : 1));
    this.#texts = new Map(texts.map((text) => [text.row.id, text]));
  }

  #textOf(row: GatewayRow, resources: GatewayText['resources']): GatewayText {
    return new GatewayText(row, resources, this.#openToken);
  }
}

const newest = async (db: Scoped): Promise<LogPart> => ({ head: (await logSpan(db)).last, revisions: null });

const isShown = ({ changes }: LoggedRevision): boolean =>
  changes.some(({ kind }) => kind === 'gateway' || kind === 'resource');

const changedGateways = (revisions: readonly LoggedRevision[]): ReadonlySet<string> =>
  new Set(revisions.flatMap(({ changes }) => changes.flatMap(({ kind, id }) => (kind === 'gateway' ? [id] : []))));

const alike = (a: GatewayText['resources'], b: GatewayText['resources']): boolean =>
  a.length === b.length && a.every((resource, i) => resource.id === b[i]?.id && resource.name === b[i]?.name);
