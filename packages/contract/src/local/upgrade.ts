import { z } from 'zod';
import { longestUpgradeReason, upgradeSteps } from '../channel/upgrade.ts';

/**
 * The file `upgrade.json` of a gateway: the upgrade that its controller asked for last. The agent writes it before it starts
 * `sally upgrade`, which then notes each step. Agents of other versions read it, so fields are only added.
 */
export const UpgradeFile = z.object({
  request: z.string().max(64),
  version: z.string().max(64),
  state: z.enum(upgradeSteps),
  reason: z.string().max(longestUpgradeReason).optional(),
  /** Process of `sally upgrade`: its id and start time; null: not started yet. */
  holder: z.string().max(40).nullable(),
});
export type UpgradeFile = z.infer<typeof UpgradeFile>;

/** Reads the text of `upgrade.json`. Returns null when it is not of this form. */
export function readUpgradeFile(text: string): UpgradeFile | null {
  try {
    const read = UpgradeFile.safeParse(JSON.parse(text));
    return read.success ? read.data : null;
  } catch {
    return null;
  }
}

/** Whether an upgrade in this state goes on. */
export const isUpgrading = ({ state }: Pick<UpgradeFile, 'state'>): boolean =>
  state === 'downloading' || state === 'verifying' || state === 'trial';
