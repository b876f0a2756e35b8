import { z } from 'zod';
import type { SharedStatus } from '../types.ts';

const Status = z.object({
  connected: z.boolean(),
  alive: z.boolean(),
  converged: z.boolean(),
  lastSeen: z.number().nullable(),
  error: z.string().nullable(),
  applied: z
    .object({ revision: z.object({ epoch: z.string(), number: z.number() }), hash: z.string(), tookMs: z.number() })
    .nullable(),
  safeToStop: z.boolean(),
  agent: z
    .object({
      version: z.string(),
      hostname: z.string(),
      os: z.string(),
      kernel: z.string(),
      wireguard: z.enum(['kernel', 'userspace', 'memory']),
      upgrades: z.enum(['allowed', 'refused', 'impossible']).optional(),
    })
    .optional()
    // Another version may describe agents in words that this one does not know.
    .catch(undefined),
  heartbeatMs: z.number().nonnegative(),
  until: z.number().nullable(),
});

/** Reads a status that another process told; null: it is none. */
export function readStatus(value: unknown): SharedStatus | null {
  const { success, data } = Status.safeParse(value);
  return success ? (data as SharedStatus) : null;
}
