import type { NameFigures, StateDelta, StateItem } from '@sallyport/contract/channel';
import { PathBook } from './path-book.ts';
import { PeerStatisticsBook } from './peer-statistics.ts';
import { ProbeBook } from './probe-book.ts';
import type { AgentDescription } from './types.ts';

/**
 * Reports of one agent about its host, peers, probes and paths. Reports about items outside its desired state are
 * dropped.
 */
export class AgentReports {
  readonly peers = new PeerStatisticsBook();
  readonly probes = new ProbeBook();
  readonly paths = new PathBook();
  /** Null until an agent has connected. */
  agent: AgentDescription | null = null;
  /** What the agent said about names in its last heartbeat; null: it has none. */
  names: NameFigures | null = null;
  /** Milliseconds that the clock of the agent's host was ahead at the last heartbeat; null until then. */
  clockSkewMs: number | null = null;

  /** Replaces the desired items. */
  expectOnly(items: readonly StateItem[]): void {
    for (const book of [this.peers, this.probes, this.paths]) book.expectOnly(items);
  }

  /** Applies a change of the desired items. */
  expect(delta: StateDelta): void {
    for (const book of [this.peers, this.probes, this.paths]) book.expect(delta);
  }
}
