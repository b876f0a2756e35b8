import { ListPage } from '../list/list.tsx';
import { auditList } from '../lists/audit.tsx';

/** Who did what, and what was different afterwards. */
export function AuditPage() {
  return <ListPage list={auditList} title="Audit" />;
}
