/** Facts about an agent and its tunnels at one moment. */
export interface Facts {
  /** Process that holds the state directory; null: none. */
  readonly pid: number | null;
  /** What that process says about itself; null: nothing yet. */
  readonly status: AgentStatus | null;
  /** Last handshake of each WireGuard peer, epoch milliseconds; null: the tunnel does not exist. */
  readonly peers: ReadonlyMap<string, number | null> | null;
}

/** What an agent says about itself. */
export interface AgentStatus {
  readonly version: string;
  /** Revision of the applied state; null: none. */
  readonly revision: number | null;
  /** Hash of the applied state, when the agent says it. */
  readonly hash: string | null;
  /** Code and text of its failure. */
  readonly failure: string | null;
  readonly connected: boolean;
}

/** Facts that the judge compares. */
export interface Trial {
  readonly version: string;
  readonly before: Facts;
  readonly now: Facts;
  /** Whether a program other than the new agent reaches the controller now. */
  readonly controllerAnswers: boolean;
}

/**
 * Returns why a new agent is not healthy; empty when it is. It must run, hold the state that the old one held or a newer
 * one, and keep every tunnel. An absent controller is no fault. A failure that the old agent had, too, is none either.
 */
export function faultsOf({ version, before, now, controllerAnswers }: Trial): string[] {
  const { status } = now;
  if (now.pid === null) return ['the agent does not run'];
  if (status === null) return ['the agent has not said yet how it stands'];
  if (status.version !== version) return [`version ${status.version} runs`];
  const faults: string[] = [];
  if (status.failure !== null && status.failure !== before.status?.failure) faults.push(status.failure);
  if (before.status?.connected === true && !status.connected && controllerAnswers)
    faults.push('it has no connection to the controller, which answers');
  return [...faults, ...stateFaults(before, status), ...tunnelFaults(before, now)];
}

function stateFaults(before: Facts, now: AgentStatus): string[] {
  const was = before.status;
  if (was === null || was.revision === null) return [];
  if (now.revision === null) return ['it has applied no state'];
  if (now.connected) return [];
  if (now.revision !== was.revision || now.hash !== was.hash) return ['it has applied another state than before'];
  return [];
}

/** A connected agent may have been told to remove peers. Kept ones keep their sessions. */
function tunnelFaults(before: Facts, { peers, status }: Facts): string[] {
  if (before.peers === null) return [];
  if (peers === null) return ['the tunnel is gone'];
  const faults: string[] = [];
  for (const [peer, handshake] of before.peers) {
    const after = peers.get(peer);
    if (after === undefined && status?.connected === false) faults.push(`the peer ${peer} is gone`);
    if (after === null && handshake !== null) faults.push(`the session with the peer ${peer} is gone`);
  }
  if (peers.size === 0 && before.peers.size > 0 && faults.length === 0) faults.push('every peer is gone');
  return faults;
}
