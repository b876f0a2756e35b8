import type { EnrolmentKeyRow } from './store.ts';

/** A key as the audit trail keeps it. */
export const auditedKey = ({ id, name, user_id, expires_at, used_at }: Omit<EnrolmentKeyRow, 'tenant_id'>) => ({
  id,
  name,
  user: user_id,
  expires_at,
  used_at,
});
