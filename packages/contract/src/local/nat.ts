import { z } from 'zod';

/**
 * What stands between a host's WireGuard socket and the internet. `none`: the host has the address that others see.
 * `independent`: a NAT that shows the same port to all destinations. `dependent`: a NAT that shows each another one.
 * `blocked`: the controller's beacon hears nothing. `unknown`: nothing is known, or not yet.
 */
export const Nat = z.strictObject({
  kind: z.enum(['none', 'independent', 'dependent', 'blocked', 'unknown']),
  endpoint: z.string().max(300).nullable().describe('Where others see the socket, `host:port`; null: not known'),
});
export type Nat = z.infer<typeof Nat>;
