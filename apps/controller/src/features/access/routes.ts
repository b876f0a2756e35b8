import type { Handlers } from '../../http/handlers.ts';
import { type AccessDeps, explainAccess } from './explain.ts';
import { matrix } from './matrix.ts';

/** What the operations on access need. */
export interface AccessRouteDeps extends AccessDeps {
  /** Counts explained decisions. */
  readonly explained: (decisions: number) => void;
}

/** Explains access decisions. */
export const accessFeature = { routes: accessRoutes };

function accessRoutes(deps: AccessRouteDeps): Handlers<'explainAccess' | 'accessMatrix'> {
  return {
    explainAccess: {
      read: async ({ tenant }, { body }) => {
        const answers = await explainAccess(deps, tenant, body);
        deps.explained(answers.length);
        return { body: { answers } };
      },
    },
    accessMatrix: {
      stream: async ({ tenant }, { query }) => ({ batches: await matrix(deps, tenant, query) }),
    },
  };
}
