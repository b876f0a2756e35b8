import type { DeviceRow } from './store.ts';
import type { DeviceFacts } from './views.ts';

/** What the database says about a page of devices. */
export interface DevicePage {
  readonly rows: readonly DeviceRow[];
  readonly total: number;
  readonly owners: ReadonlyMap<string, NonNullable<DeviceFacts['owner']>>;
  /** Names of entry gateways by id. */
  readonly entries: ReadonlyMap<string, string>;
}

/** Pages that are kept. One of 500 devices has about 500 kB. */
const keptPages = 40;

/** Pages of devices as they were last read. A page is read again after any write of its tenant. */
export class DevicePages {
  readonly #generation: (tenant: string) => number;
  readonly #kept = new Map<string, { readonly generation: number; readonly page: DevicePage }>();

  constructor(generation: (tenant: string) => number) {
    this.#generation = generation;
  }

  /** Returns the page that `asked` describes, from memory or from `read`. */
  async of(tenant: string, asked: unknown, read: () => Promise<DevicePage>): Promise<DevicePage> {
    const key = JSON.stringify([tenant, asked]);
    // Before the read: a write during the read makes the page stale.
    const generation = this.#generation(tenant);
    const known = this.#kept.get(key);
    this.#kept.delete(key);
    const page = known?.generation === generation ? known.page : await read();
    this.#kept.set(key, { generation, page });
    const oldest = this.#kept.size > keptPages ? this.#kept.keys().next().value : undefined;
    if (oldest !== undefined) this.#kept.delete(oldest);
    return page;
  }
}

/** Answers with kept pages, as bytes. An answer is made again when the text of one of its devices is another one. */
export class PageAnswers {
  readonly #kept = new WeakMap<DevicePage, { readonly parts: readonly string[]; readonly bytes: Buffer }>();

  /** Returns the answer with these texts of a page's devices; `make` joins them. */
  of(page: DevicePage, parts: readonly string[], make: () => string): Buffer {
    const known = this.#kept.get(page);
    if (known?.parts.every((part, i) => part === parts[i]) === true) return known.bytes;
    const bytes = Buffer.from(make());
    this.#kept.set(page, { parts, bytes });
    return bytes;
  }
}
