import { z } from 'zod';
import { list } from '../bounds.ts';

const hostName = z.string().min(1).max(253);

/** A device asks for a name that only a wildcard of this gateway covers, and the name resolves. The answer is `named`. */
export const AskName = z.strictObject({ type: z.literal('ask-name'), name: hostName, device: z.string().max(64) });
export type AskName = z.infer<typeof AskName>;

/** Names under wildcards that devices use. Each is told again after some hours of use. */
export const NamesUsed = z.strictObject({ type: z.literal('names-used'), names: list(hostName, 1_000) });

/**
 * Answer to `ask-name`. `given`: the name is in the state that is on its way. `none`: no wildcard covers it, or it is a
 * name of the controller or of a gateway. `later`: the device or its tenant has had as many new names as it may have for
 * now. `full`: the tenant has no address left.
 */
export const Named = z.strictObject({
  type: z.literal('named'),
  name: hostName,
  outcome: z.enum(['given', 'none', 'later', 'full']),
});
export type Named = z.infer<typeof Named>;
