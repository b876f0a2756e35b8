/** Limits of simultaneous connections. A source is an IPv4 address or an IPv6 /64; networks around it have more. */
export interface ConnectionLimits {
  /** Connections of authenticated agents. The rest stays free for other clients. */
  readonly proven: number;
  readonly total: number;
  /** Connections of clients that have not authenticated. */
  readonly unproven: number;
  /** The part of these that is kept for sources from which an agent or a key has authenticated before. */
  readonly keptForKnown: number;
  readonly perSource: number;
}

/**
 * Returns the limits for the number of files that the process may open. Some files are left for the database, the log,
 * the operator's socket and outgoing requests.
 */
export function connectionLimits(descriptors: number): ConnectionLimits {
  const kept = Math.min(1024, Math.max(64, Math.floor(descriptors / 10)));
  const total = Math.min(mostConnections, Math.max(16, descriptors - kept));
  const unproven = Math.min(mostUnproven, Math.ceil(total * 0.75));
  return {
    total,
    proven: Math.floor(total * 0.875),
    unproven,
    keptForKnown: Math.floor(unproven / 4),
    perSource: Math.min(2_048, Math.max(8, Math.floor(unproven / 8))),
  };
}

const mostConnections = 200_000;
/** More than the agents that wait for their handshake after a restart; see the limits of the channel. */
const mostUnproven = 24_000;
