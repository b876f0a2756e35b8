import assert from 'node:assert/strict';
import type { PostgresServer } from '@sallyport/testkit';
import { openPostgres, type PostgresDatabase } from '../../../apps/controller/src/db/postgres/open.ts';
import type { PostgresPlace } from '../../../apps/controller/src/db/postgres/place.ts';
import type { Store } from '../../../apps/controller/src/db/store.ts';
import { newIdentity, SharedReplicas } from '../../../apps/controller/src/replicas/shared.ts';
import { RealClock } from '../../protocol/clock.ts';
import type { Joined } from '../../protocol/controller.ts';
import type { TestDatabase } from '../../protocol/database.ts';
import type { Cluster, World } from '../../protocol/harness.ts';
import { collectLog } from '../../protocol/log.ts';
import type { Mischief } from '../../protocol/storm.ts';
import type { Surroundings } from './surroundings.ts';

/** Real time, and a real server with its notifications. Sessions end, and the server restarts. */
export class LiveSurroundings implements Surroundings {
  readonly clock = new RealClock();
  /** These last until an agent, or its controller, has missed three heartbeats. */
  readonly without = ['frozen network', 'agent that does not read', 'half-open connection'];
  readonly #server: PostgresServer;
  readonly #place: PostgresPlace;
  readonly #replicas: number;
  #databases: readonly LiveDatabase[] = [];

  /** `place`: an empty, migrated database of the server. */
  constructor(server: PostgresServer, place: PostgresPlace, replicas: number) {
    this.#server = server;
    this.#place = place;
    this.#replicas = replicas;
  }

  cluster(world: World): Omit<Cluster, 'watch'> {
    const ended = (error: unknown) => world.violations.push(`a controller cannot go on: ${error}`);
    this.#databases = Array.from({ length: this.#replicas }, () => new LiveDatabase(this.#place, ended));
    const of = (n: number) => this.#databases[n] ?? assert.fail();
    return { size: this.#replicas, database: of, skewMs: () => 0, join: (n, store) => of(n).join(store) };
  }

  readonly reach = () => null;

  mischief({ dice }: World): Mischief {
    return {
      'sessions of the database ended': () => this.#endSessions(dice()),
      'database restarted': async () => {
        if (dice() < 0.7) return this.#endSessions(1);
        await this.#server.kill('SIGQUIT');
        await this.#server.run();
      },
    };
  }

  repair(): void {}

  pauseMs(dice: () => number): number {
    return dice() * 300;
  }

  /** `share`: about how many of them, 0 to 1. */
  async #endSessions(share: number): Promise<void> {
    const sessions = `pg_stat_activity WHERE datname = '${this.#place.database}' AND random() < ${share}`;
    await this.#server.sql(`SELECT pg_terminate_backend(pid) FROM ${sessions}`);
  }
}

/** The database of one controller, opened as the program opens it. */
class LiveDatabase implements TestDatabase {
  readonly #place: PostgresPlace;
  readonly #ended: (error: unknown) => void;
  #open: { readonly database: PostgresDatabase; readonly identity: ReturnType<typeof newIdentity> } | null = null;
  #replicas: SharedReplicas | null = null;
  #store: Store | null = null;

  constructor(place: PostgresPlace, ended: (error: unknown) => void) {
    this.#place = place;
    this.#ended = ended;
  }

  async open(): Promise<PostgresDatabase> {
    const identity = newIdentity('0.0.0');
    const events = {
      lost: () => undefined,
      check: () => undefined,
      back: (heads: readonly { readonly tenant: string; readonly revision: number }[]) => {
        for (const head of heads) this.#store?.noticed(head);
        this.#replicas?.back();
      },
      ended: this.#ended,
      heard: (payload: string) => this.#replicas?.heard(payload),
    };
    const database = await openPostgres([this.#place], events, { sharing: identity.sharing });
    this.#open = { database, identity };
    return database;
  }

  async join(store: Store): Promise<Joined> {
    const { database, identity } = this.#open ?? assert.fail();
    const replicas = new SharedReplicas(identity, database, store, collectLog([]));
    [this.#store, this.#replicas] = [store, replicas];
    await replicas.start();
    await database.started();
    return { replicas, leave: () => (this.#replicas === null ? undefined : replicas.stop()) };
  }

  die(): void {
    this.#replicas?.abandon();
    this.#replicas = this.#store = null;
  }

  remove(): void {}
}
