import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { notFound } from '../../errors.ts';
import type { Handlers } from '../../http/handlers.ts';
import { findRules, listRules } from './store.ts';
import { admissionRuleView } from './views.ts';

export function admissionRuleRoutes({
  store,
}: {
  readonly store: Store;
}): Handlers<'listAdmissionRules' | 'getAdmissionRule'> {
  return {
    listAdmissionRules: {
      read: async ({ tenant }) => {
        const rows = await listRules(scoped(store.db, tenant));
        return { body: rows.map(admissionRuleView) };
      },
    },
    getAdmissionRule: {
      read: async ({ tenant }, { params }) => {
        const [row] = await findRules(scoped(store.db, tenant), [params.id]);
        if (row === undefined) throw notFound();
        return { body: admissionRuleView(row) };
      },
    },
  };
}
