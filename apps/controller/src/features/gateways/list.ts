import { scoped } from '../../db/scoped.ts';
import type { Commit, Store } from '../../db/store.ts';
import { attachedResources, findGateways, type GatewayRow, listGateways } from '../../objects/gateways/store.ts';
import { GatewayText, type PresenceSource } from '../../objects/gateways/views.ts';

/** The list of a tenant's gateways as JSON text, kept between requests and mended by what commits touch. */
export class GatewayLists {
  readonly #store: Store;
  readonly #presence: PresenceSource;
  readonly #openToken: (row: GatewayRow) => string;
  readonly #lists = new Map<string, TenantList>();

  constructor(store: Store, presence: PresenceSource, openToken: (row: GatewayRow) => string) {
    this.#store = store;
    this.#presence = presence;
    this.#openToken = openToken;
    store.onCommit((commit) => this.#lists.get(commit.tenant)?.touched(commit));
  }

  async text(tenant: string, withTokens: boolean): Promise<Buffer> {
    const list = this.#lists.get(tenant) ?? new TenantList(this.#openToken);
    this.#keep(tenant, list);
    await list.refresh(this.#store, tenant);
    await list.prepare(this.#presence, withTokens);
    return list.text(this.#presence, withTokens);
  }

  /** Moments written to rows without a commit that listeners see. */
  lastOnline(tenant: string, moments: ReadonlyMap<string, number>): void {
    this.#lists.get(tenant)?.lastOnline(moments);
  }

  /** The tenants asked for most recently stay. */
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
  /** Ids to read again; null: everything. */
  #stale: Set<string> | null = null;
  #resourcesStale = true;
  #refreshing: Promise<void> | null = null;

  constructor(openToken: (row: GatewayRow) => string) {
    this.#openToken = openToken;
  }

  touched({ changes }: Commit): void {
    for (const { kind, id } of changes) {
      if (kind === 'gateway') this.#stale?.add(id);
      if (kind === 'gateway' || kind === 'resource') this.#resourcesStale = true;
    }
  }

  lastOnline(moments: ReadonlyMap<string, number>): void {
    for (const id of moments.keys()) this.#stale?.add(id);
  }

  /** Reads what has become stale; callers that come meanwhile look again, because a commit may have come too. */
  async refresh(store: Store, tenant: string): Promise<void> {
    while (this.#stale === null || this.#stale.size > 0 || this.#resourcesStale) {
      this.#refreshing ??= this.#read(store, tenant).finally(() => {
        this.#refreshing = null;
      });
      await this.#refreshing;
    }
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

  async #read(store: Store, tenant: string): Promise<void> {
    const stale = this.#stale;
    this.#stale = new Set();
    this.#resourcesStale = false;
    try {
      const { rows, resources } = await store.read(async (db) => ({
        rows: await (stale === null ? listGateways(scoped(db, tenant)) : findGateways(scoped(db, tenant), [...stale])),
        resources: await attachedResources(scoped(db, tenant)),
      }));
      this.#adopt(stale, rows, resources);
    } catch (error) {
      this.#stale = null;
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

const alike = (a: GatewayText['resources'], b: GatewayText['resources']): boolean =>
  a.length === b.length && a.every((resource, i) => resource.id === b[i]?.id && resource.name === b[i]?.name);
