import type { Device, Gateway, UpgradeState, User } from '@sallyport/contract';
import type { Meaning } from '../kit/kit.tsx';

/** How a device stands, by the mark that means it. */
export const deviceMeanings: Record<Device['status'], Meaning> = {
  Online: 'good',
  Offline: 'off',
  Deactivated: 'warn',
};

/** How a gateway stands, by the mark that means it. */
export const gatewayMeanings: Record<Gateway['status'], Meaning> = {
  ONLINE: 'good',
  PENDING: 'wait',
  MAINTENANCE: 'draining',
  ERROR: 'bad',
  OFFLINE: 'off',
};

/** How a gateway stands, in words. */
export const gatewayWords: Record<Gateway['status'], string> = {
  ONLINE: 'Online',
  PENDING: 'Waiting for its host',
  MAINTENANCE: 'In maintenance',
  ERROR: 'Error',
  OFFLINE: 'Offline',
};

/** How an upgrade of a gateway stands, by the mark that means it. */
export const upgradeMeanings: Record<UpgradeState, Meaning> = {
  QUEUED: 'wait',
  ASKED: 'wait',
  DOWNLOADING: 'wait',
  VERIFYING: 'wait',
  TRIAL: 'wait',
  DONE: 'good',
  RETURNED: 'bad',
  FAILED: 'bad',
  STOPPED: 'warn',
  CANCELLED: 'off',
};

/** How an upgrade of a gateway stands, in words. */
export const upgradeWords: Record<UpgradeState, string> = {
  QUEUED: 'Waits for its turn',
  ASKED: 'Begins',
  DOWNLOADING: 'Downloads',
  VERIFYING: 'Checks the signature',
  TRIAL: 'Tries the new version',
  DONE: 'Upgraded',
  RETURNED: 'Returned to the old version',
  FAILED: 'Failed',
  STOPPED: 'Not begun',
  CANCELLED: 'Cancelled',
};

/** Whether the controller can upgrade a gateway now. */
export const isUpgradable = ({ upgrades, outdated, upgrade }: Pick<Gateway, 'upgrades' | 'outdated' | 'upgrade'>) =>
  upgrades === 'ALLOWED' && outdated === true && (upgrade === undefined || upgradeMeanings[upgrade.state] !== 'wait');

/** How a user stands, by the mark that means it. */
export const userMeanings: Record<User['status'], Meaning> = {
  ACTIVE: 'good',
  INVITED: 'wait',
  EXPIRED: 'warn',
  DEACTIVATED: 'off',
};

/** How a user stands, in words. */
export const userWords: Record<User['status'], string> = {
  ACTIVE: 'Active',
  INVITED: 'Invited',
  EXPIRED: 'Invitation expired',
  DEACTIVATED: 'Deactivated',
};
