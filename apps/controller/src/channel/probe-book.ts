import type { NameItem, ProbeResult, StateDelta, StateItem } from '@sallyport/contract/channel';

/** Results of one gateway's probes. Results of probes that the desired state does not hold are dropped. */
export class ProbeBook {
  readonly #results = new Map<string, ProbeResult>();
  /** Resource of each desired probe. */
  readonly #resources = new Map<string, string>();
  /** Probes of each desired name, by key. */
  readonly #names = new Map<string, readonly string[]>();
  /** Resources that stay unreachable until a probe of theirs has a result. */
  #assumed: ReadonlySet<string> = new Set();
  /** Null: must be computed again. */
  #unreachable: readonly string[] | null = null;

  get results(): ReadonlyMap<string, ProbeResult> {
    return this.#results;
  }

  /** Replaces the desired items. */
  expectOnly(items: readonly StateItem[]): void {
    this.#resources.clear();
    this.#names.clear();
    this.expect({ upserts: items, removes: [] });
    for (const id of this.#results.keys()) if (!this.#resources.has(id)) this.#results.delete(id);
  }

  expect({ upserts, removes }: StateDelta): void {
    for (const key of removes) {
      if (key.startsWith(prefix)) this.#forget(key.slice(prefix.length));
      this.#forgetName(key);
    }
    for (const item of upserts) {
      if (item.kind === 'probe') this.#resources.set(item.id, item.resource);
      if (item.kind === 'name') this.#expectName(item);
    }
    this.#unreachable = null;
  }

  /** The gateway could not reach these resources when it was last connected, perhaps to another process. */
  assume(unreachable: readonly string[]): void {
    this.#assumed = new Set(unreachable);
    this.#unreachable = null;
  }

  record(results: readonly ProbeResult[]): void {
    if (results.length > 0) this.#unreachable = null;
    for (const result of results) if (this.#resources.has(result.id)) this.#results.set(result.id, result);
  }

  /**
   * Resources whose probes all fail, ascending by id. A resource with a pending probe is not among them, unless all its probes
   * are pending and it is assumed to be unreachable. The array is the same until a result or a desired probe changes.
   */
  get unreachable(): readonly string[] {
    this.#unreachable ??= this.#findUnreachable();
    return this.#unreachable;
  }

  /** A name is a probe of each address that has it: it resolves or it does not. */
  #expectName({ key, resources }: NameItem): void {
    this.#forgetName(
      key,
      resources.map(({ probe }) => probe),
    );
    for (const { id, probe } of resources) this.#resources.set(probe, id);
    this.#names.set(
      key,
      resources.map(({ probe }) => probe),
    );
  }

  #forgetName(key: string, kept: readonly string[] = []): void {
    for (const probe of this.#names.get(key) ?? []) if (!kept.includes(probe)) this.#forget(probe);
    this.#names.delete(key);
  }

  #forget(id: string): void {
    this.#resources.delete(id);
    this.#results.delete(id);
  }

  #findUnreachable(): string[] {
    const heard = new Set([...this.#results.keys()].flatMap((id) => this.#resources.get(id) ?? []));
    this.#assumed = this.#assumed.difference(heard);
    const failed = new Map<string, boolean>();
    for (const [id, resource] of this.#resources) {
      const fails = this.#results.get(id)?.reachable === false || this.#assumed.has(resource);
      failed.set(resource, fails && (failed.get(resource) ?? true));
    }
    return [...failed].flatMap(([resource, all]) => (all ? [resource] : [])).sort();
  }
}

const prefix = 'probe/';
