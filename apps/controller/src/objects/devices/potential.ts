import type { World, WorldChange } from '@sallyport/policy';

/**
 * Returns the world as if every admission rule of private and SaaS policies were met. An exported configuration lasts
 * longer than an outcome: a configuration fetched at night still needs the gateway of the office hours. The gateway decides
 * what the device may do and when. Rules of internet policies stay, because they decide where its other traffic goes.
 */
export function withRulesMet(world: World): World {
  const open = world.rules.values().find((rule) => rule.unrestricted);
  if (open === undefined) return world;
  const changes: WorldChange[] = [];
  for (const policy of world.policies.values())
    if ((policy.type === 'PRIVATE' || policy.type === 'SAAS') && policy.rule !== open.id)
      changes.push({ kind: 'policy', id: policy.id, value: { ...policy, rule: open.id } });
  return changes.length === 0 ? world : world.with(changes);
}
