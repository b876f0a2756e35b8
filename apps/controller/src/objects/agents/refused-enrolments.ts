import type { EnrolOutcome } from '../../channel/types.ts';
import type { ObjectKind, Store, WriteContext } from '../../db/store.ts';

/** An agent retries for as long as it runs, so one event per agent and hour is enough. */
const quietMs = 3_600_000;

/**
 * Writes audit events of enrolments that were refused although the token was right: it was copied, it came too late, or
 * the host changed its identity. Wrong tokens are not recorded, because strangers could fill the trail with them.
 */
export class RefusedEnrolments {
  readonly #store: Store;
  readonly #notedAt = new Map<string, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  async note(
    kind: ObjectKind,
    row: { readonly id: string; readonly name: string | null },
    outcome: EnrolOutcome,
    by: WriteContext,
  ): Promise<void> {
    if (outcome === 'enrolled' || outcome === 'bad-token') return;
    const now = this.#store.now();
    if (now - (this.#notedAt.get(row.id) ?? Number.NEGATIVE_INFINITY) < quietMs) return;
    this.#notedAt.set(row.id, now);
    await this.#store.write(by, async (tx) => {
      tx.changed({
        kind,
        id: row.id,
        op: 'update',
        ...(row.name === null ? {} : { name: row.name }),
        after: { name: row.name, refused: outcome },
      });
    });
  }
}
