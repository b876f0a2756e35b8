import { conditionOf, isAlive } from '../../matching.ts';
import { inputsOf, type Outcome, programOf, type RuleInputs, siteInputs } from '../../rules/index.ts';
import type { WorldDevice, WorldRule } from '../../types.ts';
import type { World } from '../../world.ts';
import { entryOf } from '../indexes/facts.ts';
import type { PolicyIndex } from '../indexes/policy-index.ts';
import type { SiteIndex } from '../indexes/sites.ts';
import { matchOf, type PolicyMatch, plainMatch } from './matches.ts';

/** Asks for the outcome of a rule for some inputs. */
export type Consult = (rule: WorldRule, inputs: RuleInputs) => Outcome;

/** Tells what policies apply to a kind of members. */
export interface MemberSource {
  /** Returns the policy matches of a member, or null when it does not exist or is not active. */
  matches(id: string, consult: Consult): readonly PolicyMatch[] | null;
  /** Returns the gateway through which a member reaches all others; null: it reaches each gateway directly. */
  entry(id: string): string | null;
}

/** Returns the source of devices. */
export function deviceSource(world: World, policies: PolicyIndex): MemberSource {
  return {
    matches(id, consult) {
      const device = world.devices.get(id);
      return device === undefined || !isAlive(world, device) ? null : deviceMatches(world, policies, device, consult);
    },
    entry(id) {
      const device = world.devices.get(id);
      return device === undefined ? null : entryOf(world, device);
    },
  };
}

/** Returns the source of sites. */
export function siteSource(world: World, policies: PolicyIndex, sites: SiteIndex): MemberSource {
  return {
    matches(id, consult) {
      const site = sites.get(id);
      const ask = (rule: WorldRule) => consult(rule, siteInputs);
      return site === undefined ? null : site.policies.flatMap((policy) => matchesOf(world, policies, policy, ask));
    },
    entry: () => null,
  };
}

/** Returns the policy matches of an active device, without those of the universal policies. */
export function deviceMatches(
  world: World,
  policies: PolicyIndex,
  device: WorldDevice,
  consult: Consult,
): PolicyMatch[] {
  let inputs: RuleInputs | null = null;
  const ask = (rule: WorldRule) => consult(rule, (inputs ??= inputsOf(world, device)));
  return policies.matched(device).flatMap((id) => matchesOf(world, policies, id, ask));
}

function matchesOf(world: World, policies: PolicyIndex, id: string, ask: (rule: WorldRule) => Outcome): PolicyMatch[] {
  const policy = policies.get(id);
  if (policy === undefined) return [];
  const rule = conditionOf(world, policy);
  if (rule === null) return [plainMatch(id)];
  const match = rule === undefined ? null : matchOf(policy, ask(rule), programOf(rule)?.asksSource === true);
  return match === null ? [] : [match];
}
