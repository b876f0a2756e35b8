import { z } from 'zod';
import { timestamp } from './common.ts';

/**
 * State of an upgrade of a gateway. QUEUED waits for its turn. ASKED was sent to the agent. DOWNLOADING, VERIFYING and
 * TRIAL run on the host. The others are final. RETURNED: the old version runs again. STOPPED: an earlier upgrade failed.
 */
export const upgradeState = z.enum([
  'QUEUED',
  'ASKED',
  'DOWNLOADING',
  'VERIFYING',
  'TRIAL',
  'DONE',
  'RETURNED',
  'FAILED',
  'STOPPED',
  'CANCELLED',
]);

/** State of an upgrade of a gateway. */
export type UpgradeState = z.infer<typeof upgradeState>;

/** Whether an upgrade in this state waits or runs. */
export const isOpenUpgrade = (state: UpgradeState): boolean =>
  ['QUEUED', 'ASKED', 'DOWNLOADING', 'VERIFYING', 'TRIAL'].includes(state);

/** Whether the host of a gateway lets the controller ask for upgrades. NOT_POSSIBLE: allowed, but not by this installation. */
export const upgradeAllowance = z.enum(['ALLOWED', 'NOT_ALLOWED', 'NOT_POSSIBLE']);

/** Whether the host of a gateway lets the controller ask for upgrades. */
export type UpgradeAllowance = z.infer<typeof upgradeAllowance>;

/** The upgrade of a gateway that was last asked for. */
export const GatewayUpgrade = z
  .object({
    version: z.string().describe('Version that was asked for'),
    from: z.string().describe('Version of the agent at that time'),
    state: upgradeState,
    reason: z.string().optional().describe('Why the upgrade ended without the new version'),
    requestedAt: timestamp,
    changedAt: timestamp.describe('Time of the last change of the state'),
  })
  .meta({ id: 'GatewayUpgrade' });
export type GatewayUpgrade = z.infer<typeof GatewayUpgrade>;

/** Request body that upgrades a gateway. */
export const UpgradeGateway = z
  .strictObject({
    version: z.string().max(64).optional().describe('Only this version; the controller offers no other than its own'),
  })
  .meta({ id: 'UpgradeGateway' });
