import type { Handlers } from '../../http/handlers.ts';
import { type AccessDeps, explainAccess } from './explain.ts';
import { matrix } from './matrix.ts';
import { tryRule } from './rule-trial.ts';

/** What the operations on access need. */
export interface AccessRouteDeps extends AccessDeps {
  /** Counts explained decisions. */
  readonly explained: (decisions: number) => void;
}

/** Explains access decisions. */
export const accessFeature = { routes: accessRoutes };

function accessRoutes(deps: AccessRouteDeps): Handlers<'explainAccess' | 'accessMatrix' | 'tryAdmissionRule'> {
  return {
    explainAccess: {
      read: async ({ tenant }, { body }) => {
        const answers = await explainAccess(deps, tenant, body);
        deps.explained(answers.length);
        return { body: { answers } };
      },
    },
    tryAdmissionRule: {
      read: async ({ tenant }, { body }) => ({
        body: tryRule(await deps.worlds.world(tenant), body, deps.store.now()),
      }),
    },
    accessMatrix: {
      stream: async ({ tenant }, { query }) => ({ batches: await matrix(deps, tenant, query) }),
    },
  };
}
