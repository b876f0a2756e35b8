import { type GatewayUpgrade, isOpenUpgrade, type UpgradeAllowance, type UpgradeState } from '@sallyport/contract';
import type { Presence } from '../../channel/types.ts';
import { decodeJson, encodeJson } from '../../db/json.ts';
import type { Row } from '../../db/schema.ts';

/** The upgrade of a gateway, as its row holds it. Times are epoch milliseconds. */
export interface UpgradeRecord {
  /** Tells one request from another; the agent repeats it. */
  readonly request: string;
  readonly version: string;
  readonly from: string;
  readonly state: UpgradeState;
  readonly reason?: string;
  readonly requestedAt: number;
  readonly changedAt: number;
}

/** Returns the upgrade of a row; null when there was none. */
export const upgradeOf = ({ upgrade }: Pick<Row<'gateways'>, 'upgrade'>): UpgradeRecord | null =>
  upgrade === null ? null : decodeJson<UpgradeRecord>(upgrade);

/** Returns the columns of an upgrade. */
export const upgradeColumns = (record: UpgradeRecord) => ({
  upgrade: encodeJson(record),
  upgrade_open: isOpenUpgrade(record.state) ? (1 as const) : (0 as const),
});

/** Returns the upgrade in the form of answers. */
export function upgradeView(record: UpgradeRecord): GatewayUpgrade {
  const { version, from, state, reason, requestedAt, changedAt } = record;
  return {
    version,
    from,
    state,
    ...(reason !== undefined && { reason }),
    requestedAt: new Date(requestedAt).toISOString(),
    changedAt: new Date(changedAt).toISOString(),
  };
}

/** Returns whether the host lets the controller ask for upgrades; null while no agent has connected. */
export function allowanceOf({ agent }: Pick<Presence, 'agent'>): UpgradeAllowance | null {
  if (agent === undefined) return null;
  if (agent.upgrades === undefined) return 'NOT_ALLOWED';
  return agent.upgrades === 'allowed' ? 'ALLOWED' : 'NOT_POSSIBLE';
}
