import type { EnrolmentKeyRow } from './store.ts';

/** Returns a key in the form of the audit trail. */
export const auditedKey = ({ id, name, user_id, expires_at, used_at }: Omit<EnrolmentKeyRow, 'tenant_id'>) => ({
  id,
  name,
  user: user_id,
  expires_at,
  used_at,
});
