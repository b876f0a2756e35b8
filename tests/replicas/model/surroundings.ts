import type { Clock } from '../../protocol/clock.ts';
import type { Cluster, World } from '../../protocol/harness.ts';
import type { Mischief } from '../../protocol/storm.ts';
import type { FencingHost } from './fencing.ts';

/** What the replicas of a model live in: their time, their database, and their ways to each other. */
export interface Surroundings {
  readonly clock: Clock;
  /** Returns the controllers of a world that is being made. */
  cluster(world: World): Omit<Cluster, 'watch'>;
  readonly reach: FencingHost['reach'];
  /** Failures beside those of agents and processes, and those of agents that are left out. */
  mischief(world: World): Mischief;
  readonly without: readonly string[];
  repair(): void;
  /** Time between two failures, milliseconds. */
  pauseMs(dice: () => number): number;
}
