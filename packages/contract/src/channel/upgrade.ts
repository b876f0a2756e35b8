import { z } from 'zod';

/**
 * Upgrades that the controller asks a gateway for. The host decides: its agent says in `authenticate` whether it may be
 * asked, and its own program checks the signature of the release. The controller names a version, and sends no program.
 */

/** Whether a host lets the controller ask for an upgrade. `impossible`: allowed, but a package or clone cannot do it. */
export const upgradePermission = z.enum(['allowed', 'impossible']);

/** Whether a host lets the controller ask for an upgrade. */
export type UpgradePermission = z.infer<typeof upgradePermission>;

/** States of an upgrade on the host, in their order. The last three are final. */
export const upgradeSteps = ['downloading', 'verifying', 'trial', 'done', 'returned', 'failed'] as const;

/** State of an upgrade on the host. */
export type UpgradeStep = (typeof upgradeSteps)[number];

const request = z.uuid();

/** Longest reason in characters. */
export const longestUpgradeReason = 1000;

/**
 * Asks the agent to upgrade its host to a version that its controller offers. The controller repeats the message with the
 * same `request` on each connection until it hears a final state. Only agents whose host allows it receive the message.
 */
export const Upgrade = z.strictObject({ type: z.literal('upgrade'), request, version: z.string().max(64) });
export type Upgrade = z.infer<typeof Upgrade>;

/** Reports the state of an upgrade. The agent sends it only on a connection on which it was asked. */
export const Upgrading = z.strictObject({
  type: z.literal('upgrading'),
  request,
  state: z.enum(upgradeSteps),
  reason: z.string().max(longestUpgradeReason).optional(),
});
export type Upgrading = z.infer<typeof Upgrading>;
