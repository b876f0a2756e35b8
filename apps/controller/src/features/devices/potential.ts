import type { World, WorldChange } from '@sallyport/policy';

/**
 * The world as if every admission rule of private and SaaS policies were met. An exported configuration lasts longer than an
 * outcome: a device needs the gateway of its office hours also when it fetches the configuration at night. What it may
 * do there and when, the gateway decides. Rules of internet policies stay: they decide which way its other traffic goes.
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
