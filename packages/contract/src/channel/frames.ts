import { z } from 'zod';
import { type JsonBounds, readBounded } from '../bounds.ts';
import {
  type AgentMessage,
  type AgentRole,
  Authenticate,
  Challenge,
  type ControllerMessage,
  Delta,
  Hello,
  Lease,
  LiveMessage,
  Probe,
  Punch,
  Refused,
  Snapshot,
  TellMapping,
  Welcome,
} from './messages.ts';

/** Until the other side has proven itself: the longest such message has 1,500 characters. */
const beforeProof: JsonBounds = { length: 4_096, commas: 100, depth: 4 };

/**
 * Bounds of one message of a live agent. A device tells of gateways: 256 KiB is enough for 700 of them. A gateway tells of
 * devices: 4 MiB is enough for 20,000 of them.
 */
export const liveBounds: Readonly<Record<AgentRole, JsonBounds>> = {
  device: { length: 256 * 1024, commas: 16_000, depth: 4 },
  gateway: { length: 4 * 1024 * 1024, commas: 150_000, depth: 4 },
};

/** A state of 500,000 items; the controller has proven itself by then. */
const stateBounds: JsonBounds = { length: 64 * 1024 * 1024, commas: 16_000_000, depth: 8 };

/** How far the controller has come with an agent. */
export type AgentPhase = 'greeting' | 'proving' | 'live';

/** What an agent of this role says in this phase; null for all else, without reading more of it than a message can have. */
export function readAgentMessage(text: string, phase: AgentPhase, role: AgentRole): AgentMessage | null {
  if (phase === 'live') return readBounded(text, LiveMessage[role], liveBounds[role]);
  return readBounded(text, phase === 'greeting' ? Hello : Authenticate, beforeProof);
}

/** The same to either role: a device answers `probe` with no results, because it has no probes. */
const controllerMessages = {
  greeting: z.discriminatedUnion('type', [Challenge, Refused]),
  authenticating: z.discriminatedUnion('type', [Welcome, Refused]),
  live: z.discriminatedUnion('type', [Snapshot, Delta, Lease, Probe, Punch, TellMapping, Refused]),
} as const;

/** How far an agent has come with the controller. */
export type ControllerPhase = keyof typeof controllerMessages;

/** What the controller says in this phase; null for all else. */
export function readControllerMessage(text: string, phase: ControllerPhase): ControllerMessage | null {
  return readBounded(text, controllerMessages[phase], phase === 'live' ? stateBounds : beforeProof);
}
