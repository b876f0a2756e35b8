import type { Agent } from '@sallyport/agent-runtime';
import type { ClientStatus, LocalReply, LocalRequest } from '@sallyport/contract/local';
import { explainName } from './dns/explain.ts';
import { netcheck } from './netcheck/netcheck.ts';
import { ping } from './ping/ping.ts';
import type { ClientPlane } from './plane/client-plane.ts';
import { clientStatusOf, type StatusSources } from './state/status.ts';

/** Parts of a running daemon. */
export interface DaemonParts {
  readonly agent: Agent;
  readonly plane: ClientPlane;
  readonly about: Pick<StatusSources, 'version' | 'pid' | 'device' | 'interface'>;
  /** As typed. */
  readonly controller: string;
  readonly caFile: string | null;
  readonly isEnrolled: () => boolean;
  /** Asks the daemon to end. */
  readonly stop: () => void;
}

/** Returns the daemon's own status. */
export function statusNow(parts: DaemonParts): ClientStatus {
  const { agent, plane, about, controller } = parts;
  return clientStatusOf({
    ...about,
    controller,
    session: agent.session,
    sighting: agent.sighting,
    view: plane.view,
    enrolled: parts.isEnrolled(),
    wireguard: plane.wireguardKind,
    notes: [...plane.contests.conflicts, ...agent.unsaved],
    contests: plane.contests.contests,
    pathMtus: plane.pathMtus,
    facts: plane.facts,
    names: plane.names,
  });
}

/** Answers requests on the local socket. */
export async function answer(parts: DaemonParts, request: LocalRequest): Promise<LocalReply> {
  const { agent, plane, about, controller, caFile } = parts;
  const { items } = agent.session.desired;
  switch (request.op) {
    case 'status':
    case 'follow':
      return { type: 'status', status: statusNow(parts) };
    case 'ping':
      return ping(request.target, { items, view: () => plane.view, timeoutMs: request.timeoutMs });
    case 'dns':
      return explainName(request.name, { items, view: plane.view, trace: (name) => plane.trace(name) });
    case 'netcheck':
      return netcheck({
        controller,
        caFile,
        connected: agent.session.phase === 'live',
        sighting: agent.sighting,
        items,
        handshakes: () => plane.handshakes(),
        measurePaths: () => plane.measurePathMtus(),
        interface: about.interface,
        wireguard: plane.wireguardKind,
      });
    case 'posture':
      await plane.readPosture();
      return { type: 'done' };
    case 'stop':
      parts.stop();
      return { type: 'done' };
  }
}
