import { PolicyIndex } from './compile/indexes/policy-index.ts';
import { conditionOf, isAlive } from './matching.ts';
import { inputsOf, programOf, ruleOutcome, siteInputs } from './rules/index.ts';
import type { WorldDevice, WorldRule } from './types.ts';
import type { World } from './world.ts';

/**
 * Evaluates the expensive rules of devices and sites ahead of work that needs their outcomes. That work cannot pause,
 * so it finds the outcomes remembered. Yields after each evaluation, so that the caller can pause.
 */
export function* evaluateAhead(
  world: World,
  at: number,
  devices: Iterable<WorldDevice> = world.devices.values(),
): Generator<null> {
  const dear = new Set([...world.rules.values()].filter((rule) => programOf(rule)?.isDear === true));
  if (dear.size === 0) return;
  const { timeZone } = world.settings;
  for (const rule of dear) {
    ruleOutcome(rule, siteInputs, at, timeZone);
    yield null;
  }
  const policies = new PolicyIndex(world);
  for (const [id, policy] of world.policies) policies.set(id, policy);
  for (const device of devices) {
    if (!isAlive(world, device)) continue;
    const inputs = inputsOf(world, device);
    for (const rule of rulesOf(world, policies, device)) {
      if (!dear.has(rule)) continue;
      ruleOutcome(rule, inputs, at, timeZone);
      yield null;
    }
  }
}

/** Returns whether an evaluation of any of these rules may take long enough to delay other work. */
export function asksDearly(rules: Iterable<WorldRule>): boolean {
  for (const rule of rules) if (programOf(rule)?.isDear === true) return true;
  return false;
}

function rulesOf(world: World, policies: PolicyIndex, device: WorldDevice): Set<WorldRule> {
  const matched = policies.matched(device).flatMap((id) => policies.get(id) ?? []);
  return new Set(matched.flatMap((policy) => conditionOf(world, policy) ?? []));
}
