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
import { Named } from './naming.ts';
import { Upgrade } from './upgrade.ts';

/** Bounds of messages before the other side is authenticated. The longest such message has 1,500 characters. */
const beforeProof: JsonBounds = { length: 4_096, commas: 100, depth: 4 };

/**
 * Bounds of one message of a live agent. A device reports gateways: 256 KiB is enough for 700. A gateway reports devices:
 * 4 MiB is enough for 20,000.
 */
export const liveBounds: Readonly<Record<AgentRole, JsonBounds>> = {
  device: { length: 256 * 1024, commas: 16_000, depth: 4 },
  gateway: { length: 4 * 1024 * 1024, commas: 150_000, depth: 4 },
};

/** Bounds of a state of 500,000 items. The controller is authenticated before it sends one. */
const stateBounds: JsonBounds = { length: 64 * 1024 * 1024, commas: 16_000_000, depth: 8 };

/** Phase of a connection, as seen by the controller. */
export type AgentPhase = 'greeting' | 'proving' | 'live';

/** Parses a message that an agent of this role may send in this phase. Returns null for any other text. */
export function readAgentMessage(text: string, phase: AgentPhase, role: AgentRole): AgentMessage | null {
  if (phase === 'live') return readBounded(text, LiveMessage[role], liveBounds[role]);
  return readBounded(text, phase === 'greeting' ? Hello : Authenticate, beforeProof);
}

/** Messages of the controller, the same for both roles. A device has no probes and answers `probe` without results. */
const controllerMessages = {
  greeting: z.discriminatedUnion('type', [Challenge, Refused]),
  authenticating: z.discriminatedUnion('type', [Welcome, Refused]),
  live: z.discriminatedUnion('type', [Snapshot, Delta, Lease, Probe, Punch, TellMapping, Upgrade, Named, Refused]),
} as const;

/** Phase of a connection, as seen by the agent. */
export type ControllerPhase = keyof typeof controllerMessages;

/** Parses a message that the controller may send in this phase. Returns null for any other text. */
export function readControllerMessage(text: string, phase: ControllerPhase): ControllerMessage | null {
  return readBounded(text, controllerMessages[phase], phase === 'live' ? stateBounds : beforeProof);
}
