import type { AdmissionRule } from '@sallyport/contract';
import { type Scoped, scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { notFound } from '../../errors.ts';
import type { Handlers } from '../../http/handlers.ts';
import { findRules, listRules } from '../../objects/admission-rules/store.ts';
import { admissionRuleView } from '../../objects/admission-rules/views.ts';
import { inSlices } from '../../slices.ts';
import { changeRule, createRule, removeRule } from './commands.ts';

type AdmissionRuleOperation =
  | 'createAdmissionRule'
  | 'listAdmissionRules'
  | 'getAdmissionRule'
  | 'updateAdmissionRule'
  | 'deleteAdmissionRule';

/** Admission rules. */
export const admissionRuleFeature = { routes: admissionRuleRoutes };

function admissionRuleRoutes({ store }: { readonly store: Store }): Handlers<AdmissionRuleOperation> {
  return {
    createAdmissionRule: {
      write: async (tx, _context, { body }) => get(tx.scoped, await createRule(tx, body)),
    },
    listAdmissionRules: {
      read: async ({ tenant }) => {
        const rows = await listRules(scoped(store.db, tenant));
        const body: AdmissionRule[] = [];
        for await (const views of inSlices(rows.values().map(admissionRuleView))) body.push(...views);
        return { body };
      },
    },
    getAdmissionRule: {
      read: ({ tenant }, { params }) => get(scoped(store.db, tenant), params.id),
    },
    updateAdmissionRule: {
      write: async (tx, context, { params, body }) => {
        await changeRule(tx, context, params.id, body);
        return get(tx.scoped, params.id);
      },
    },
    deleteAdmissionRule: {
      write: async (tx, context, { params }) => {
        await removeRule(tx, context, params.id);
        return { body: undefined };
      },
    },
  };
}

/** One rule and its version. */
async function get(db: Scoped, id: string) {
  const [row] = await findRules(db, [id]);
  if (row === undefined) throw notFound();
  return { body: admissionRuleView(row), version: row.version };
}
