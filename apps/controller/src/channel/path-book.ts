import type { Heartbeat, PathReport, StateDelta, StateItem } from '@sallyport/contract/channel';

/**
 * Paths to gateways and times to relays, as one agent reports them. Reports about peers and relay points outside its
 * desired state are dropped.
 */
export class PathBook {
  readonly #paths = new Map<string, PathReport | null>();
  readonly #times = new Map<string, number | null>();

  /** Replaces the desired items. */
  expectOnly(items: readonly StateItem[]): void {
    const keys = new Set(items.map(({ key }) => key));
    for (const id of this.#paths.keys()) if (!keys.has(`peer/${id}`)) this.#paths.delete(id);
    for (const id of this.#times.keys()) if (!keys.has(`relay-point/${id}`)) this.#times.delete(id);
    this.expect({ upserts: items, removes: [] });
  }

  expect({ upserts, removes }: StateDelta): void {
    for (const key of removes) {
      const [kind, id = ''] = key.split('/');
      if (kind === 'peer') this.#paths.delete(id);
      else if (kind === 'relay-point') this.#times.delete(id);
    }
    for (const { kind, id } of upserts.filter((item) => item.kind === 'peer' || item.kind === 'relay-point')) {
      if (kind === 'peer') this.#paths.set(id, this.#paths.get(id) ?? null);
      else this.#times.set(id, this.#times.get(id) ?? null);
    }
  }

  record({ paths, relays }: Pick<Heartbeat, 'paths' | 'relays'>): void {
    this.forget();
    for (const path of paths) if (this.#paths.has(path.peer)) this.#paths.set(path.peer, path);
    for (const { gateway, rttMs } of relays) if (this.#times.has(gateway)) this.#times.set(gateway, rttMs);
  }

  /** Forgets all reports, and keeps the desired items. */
  forget(): void {
    for (const id of this.#paths.keys()) this.#paths.set(id, null);
    for (const id of this.#times.keys()) this.#times.set(id, null);
  }

  get paths(): readonly PathReport[] {
    return [...this.#paths.values()].filter((path) => path !== null);
  }

  /** Milliseconds by gateway. Relays without an answer are left out. */
  get relayTimes(): ReadonlyMap<string, number> {
    return new Map([...this.#times].flatMap(([gateway, rttMs]) => (rttMs === null ? [] : [[gateway, rttMs] as const])));
  }
}
