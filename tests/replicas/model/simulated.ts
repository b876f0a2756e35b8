import assert from 'node:assert/strict';
import { placeOf } from '../../../apps/controller/src/testing/postgres.ts';
import { MemoryReplicas } from '../../../apps/controller/src/testing/replicas.ts';
import { Clock } from '../../protocol/clock.ts';
import { SharedTestDatabase } from '../../protocol/database.ts';
import { pick } from '../../protocol/dice.ts';
import type { Cluster, World } from '../../protocol/harness.ts';
import type { Mischief } from '../../protocol/storm.ts';
import type { Surroundings } from './surroundings.ts';

/** Times in milliseconds. */
const [longestCutMs, mostSkewMs] = [40_000, 400];
/** How often a replica of the program looks. */
const soonMs = 500;
/** How answers to commits get lost. */
const waysToLose = ['before', 'after', 'between'] as const;

/** A real database. The network between replicas, and the time, are those of the test. */
export class SimulatedSurroundings implements Surroundings {
  readonly clock = new Clock();
  readonly without: readonly string[] = [];
  readonly #url: string;
  readonly #databases: SharedTestDatabase[] = [];
  readonly #skews: number[];
  #lossRate = 0;
  #lookMs = soonMs;

  constructor(url: string, replicas: number) {
    this.#url = url;
    this.#skews = Array.from({ length: replicas }, () => 0);
  }

  cluster(world: World): Omit<Cluster, 'watch'> {
    const place = placeOf(this.#url);
    const used = (by: 1 | -1) => {
      world.oracle.busy += by;
    };
    for (const _ of this.#skews) this.#databases.push(new SharedTestDatabase(place, this.clock.now, used));
    const network = this.#network(world);
    return {
      size: this.#skews.length,
      database: (n) => this.#database(n),
      skewMs: (n) => this.#skews[n] ?? 0,
      join: (n, store) => {
        const member = network.join(`replica ${n}`, { store, reaches: () => this.#database(n).reachable });
        return { replicas: member, leave: () => network.kill(member) };
      },
    };
  }

  readonly reach = (controller: number) => {
    const { reachable, changedAt: since } = this.#database(controller);
    return { reachable, since };
  };

  mischief(world: World): Mischief {
    const { dice } = world;
    return {
      'replica without its database': () => {
        const database = pick(dice, this.#databases);
        database.reachable = false;
        this.clock.after(dice() * longestCutMs, () => {
          database.reachable = true;
        });
      },
      'host in another network': (host) => host.roam(),
      'replica with a wrong clock': () => {
        this.#skews[Math.floor(dice() * this.#skews.length)] = Math.floor((dice() - 0.5) * 2 * mostSkewMs);
      },
      'answers to commits get lost': () => {
        const { lostCommits } = pick(dice, this.#databases);
        for (let count = Math.ceil(dice() * 3); count > 0; count--) lostCommits.push(pick(dice, waysToLose));
      },
      'messages get lost': () => {
        this.#lossRate = dice() < 0.5 ? 0 : dice();
      },
      'replicas look late at the database': () => {
        this.#lookMs = dice() < 0.5 ? soonMs : dice() * 5_000;
      },
    };
  }

  repair(): void {
    for (const database of this.#databases) {
      database.reachable = true;
      database.lostCommits.length = 0;
    }
    this.#lossRate = 0;
    this.#lookMs = soonMs;
    this.#skews.fill(0);
  }

  pauseMs(dice: () => number): number {
    return dice() < 0.15 ? dice() * 40_000 : dice() * 800;
  }

  #database(n: number): SharedTestDatabase {
    return this.#databases[n] ?? assert.fail();
  }

  #network(world: World): MemoryReplicas {
    const { clock } = this;
    return new MemoryReplicas(clock.now, {
      timers: { ...clock, soon: (run) => void clock.after(1, run) },
      carry: (run) => {
        world.moved();
        if (world.dice() >= this.#lossRate) clock.after(world.dice() * world.weather.delayMs, run);
      },
      lookMs: () => this.#lookMs,
      waits: (by) => {
        world.waits += by;
        world.moved();
      },
      failed: (what, error) => world.violations.push(`${what}: ${error instanceof Error ? error.stack : error}`),
    });
  }
}
