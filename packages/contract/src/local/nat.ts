import { z } from 'zod';

/**
 * NAT between a host's WireGuard socket and the internet. `none`: no NAT. `independent`: the NAT uses the same port for all
 * destinations. `dependent`: the NAT uses a different port for each destination. `blocked`: no packet reaches the
 * controller's beacon. `unknown`: not known, or not known yet.
 */
export const Nat = z.strictObject({
  kind: z.enum(['none', 'independent', 'dependent', 'blocked', 'unknown']),
  endpoint: z.string().max(300).nullable().describe('Public endpoint of the socket, `host:port`; null: not known'),
});
export type Nat = z.infer<typeof Nat>;
