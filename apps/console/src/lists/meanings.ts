import type { Device, Gateway, User } from '@sallyport/contract';
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
