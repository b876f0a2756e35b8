import { z } from 'zod';
import { Revision } from '../channel/messages.ts';
import { Nat } from './nat.ts';

const word = z.string().max(300);
const line = z.string().max(65_536);

/** What a gateway's agent last said of itself (`status.json` of its state directory), for `sally gateway status`. */
export const GatewayAgentStatus = z.object({
  pid: z.int().nonnegative(),
  updatedAt: z.iso.datetime().max(40),
  phase: z.enum(['idle', 'connecting', 'greeting', 'authenticating', 'live', 'waiting', 'refused', 'stopped']),
  applied: z.object({ revision: Revision, hash: word }).nullable(),
  failure: z.object({ code: word, message: line }).nullable(),
  intent: word.nullable(),
  devices: z.int().nonnegative(),
  leaseUntil: z.iso.datetime().max(40).nullable().describe('Null: no state yet'),
  clockAheadMs: z
    .int()
    .default(0)
    .describe('Milliseconds by which the host is ahead of the controller, as far as known; negative: behind'),
  slow: line.nullable().default(null).describe('What makes the tunnel slower than it has to be, in words'),
  notes: z.array(line).max(20).default([]).describe('What the agent could not store, a sentence each'),
  nat: Nat.optional().describe('Left out by older agents'),
});
export type GatewayAgentStatus = z.infer<typeof GatewayAgentStatus>;
