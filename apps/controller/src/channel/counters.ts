import type { ControllerMessage } from '@sallyport/contract/channel';

/** Figures for the metrics. All but the first three only grow. */
export interface ChannelCounters {
  /** Agents connected and welcomed. */
  connected: number;
  handshaking: number;
  waiting: number;
  enrolled: number;
  /** Two live connections with one identity. */
  takenOver: number;
  /** Upgrades refused because the source had failed too often, and because too many waited. */
  limited: number;
  overloaded: number;
  sent: Partial<Record<ControllerMessage['type'], number>>;
  /** Connections ended, by reason. */
  ended: Record<string, number>;
}

/** Returns counters at zero. */
export function newCounters(): ChannelCounters {
  return {
    connected: 0,
    handshaking: 0,
    waiting: 0,
    enrolled: 0,
    takenOver: 0,
    limited: 0,
    overloaded: 0,
    sent: {},
    ended: {},
  };
}

/** Counts a message that was sent. */
export function countSent({ sent }: ChannelCounters, type: ControllerMessage['type']): void {
  sent[type] = (sent[type] ?? 0) + 1;
}
