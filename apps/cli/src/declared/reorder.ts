import type { PolicyType } from '@sallyport/contract';
import { request } from './items.ts';
import type { Matches } from './match.ts';
import { merged } from './order.ts';
import type { Step } from './steps.ts';
import type { Tenant } from './tenant.ts';

/**
 * Returns steps that put the policies of each type into the file's order. `gone` holds ids that earlier steps delete.
 */
export function reorderSteps(tenant: Tenant, matches: Matches, gone: ReadonlySet<string>): Step[] {
  const lives = tenant.sections.policies;
  const builtIn = new Set(lives.filter((live) => live.builtIn).map(({ id }) => id));
  const types = new Set(matches.policies.map(({ declared }) => declared.item.type));
  return [...types].flatMap((type): Step[] => {
    const present = lives.filter((live) => live.item.type === type && !builtIn.has(live.id) && !gone.has(live.id));
    const ids = present.map(({ id }) => id);
    const wanted = matches.policies.filter(({ declared, key }) => declared.item.type === type && !builtIn.has(key));
    const order = merged(
      ids,
      wanted.map(({ key }) => key),
    );
    const before = [...ids, ...wanted.flatMap(({ key, live }) => (live === undefined ? [key] : []))];
    return order.join() === before.join() ? [] : [reorderStep(type, before, order, nameOfPolicy(lives, wanted))];
  });
}

function nameOfPolicy(lives: Tenant['sections']['policies'], wanted: Matches['policies']): (key: string) => string {
  const names = new Map([
    ...lives.map(({ id, item }) => [id, item.name] as const),
    ...wanted.map(({ key, declared }) => [key, declared.item.name] as const),
  ]);
  return (key) => names.get(key) ?? key;
}

function reorderStep(type: PolicyType, before: string[], after: string[], name: (key: string) => string): Step {
  const changes = [{ field: 'order', before: before.map(name), after: after.map(name) }];
  return {
    ...{ action: 'reorder', kind: 'policies', name: type, id: undefined, changes },
    carryOut: async (api, ids) => {
      const policies = after.map((key) => ids.get(key) ?? key);
      await request('reorderPolicies', { body: { type, policies } }).send(api);
    },
  };
}
