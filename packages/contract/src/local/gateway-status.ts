import { z } from 'zod';
import { Revision } from '../channel/messages.ts';
import { Nat } from './nat.ts';

const word = z.string().max(300);
const line = z.string().max(65_536);

/** Last status of a gateway agent (`status.json` in its state directory), for `sally gateway status`. */
export const GatewayAgentStatus = z.object({
  version: word.optional().describe('Version of the agent; left out by agents before 0.3.0'),
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
    .describe('Clock difference to the controller in milliseconds; positive: the host is ahead'),
  slow: line.nullable().default(null).describe('Reason why the tunnel is slower than necessary'),
  notes: z.array(line).max(20).default([]).describe('Data that the agent could not store, one sentence each'),
  nat: Nat.optional().describe('Left out by older agents'),
});
export type GatewayAgentStatus = z.infer<typeof GatewayAgentStatus>;
