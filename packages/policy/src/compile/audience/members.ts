import { conditionOf } from '../../matching.ts';
import { inputsOf, type Outcome, programOf, type RuleInputs, siteInputs } from '../../rules/index.ts';
import type { WorldDevice, WorldRule } from '../../types.ts';
import type { World } from '../../world.ts';
import type { GatewayState } from '../gateway/gateway-state.ts';
import type { PolicyIndex } from '../indexes/policy-index.ts';
import { Admissions } from './admissions.ts';
import { type Audience, Audiences } from './audiences.ts';
import type { Effects } from './effects.ts';
import { matchOf, type PolicyMatch, plainMatch } from './matches.ts';

export type Consult = (rule: WorldRule, inputs: RuleInputs) => Outcome;

/** Matches of a living device. */
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

/** Matches of a site to which some policies apply. */
export function siteMatches(
  world: World,
  policies: PolicyIndex,
  ids: readonly string[],
  consult: Consult,
): PolicyMatch[] {
  return ids.flatMap((id) => matchesOf(world, policies, id, (rule) => consult(rule, siteInputs)));
}

/** Devices or sites with the rules that they hang on, and the audiences that they make up. */
export class Members {
  readonly kind: 'device' | 'site';
  readonly audiences: Audiences;
  readonly admissions = new Admissions();

  constructor(kind: 'device' | 'site') {
    this.kind = kind;
    this.audiences = new Audiences(kind);
  }

  /**
   * Finds the audiences of the members to be matched again. `matches` of a member that is not there, or dead, are null;
   * `entry` is the gateway through which it comes in.
   */
  regroup(
    effects: Effects,
    states: ReadonlyMap<string, GatewayState>,
    matches: (member: string, ask: ReturnType<Admissions['ask']>) => readonly PolicyMatch[] | null,
    entry: (member: string) => string | null,
  ): void {
    const own = effects.of(this.kind);
    const left = new Set<Audience>();
    for (const id of own.rematch) {
      const before = this.audiences.of(id);
      const now = this.audiences.assign(id, matches(id, this.admissions.ask(id)), entry(id));
      for (const audience of [before, now])
        if (audience != null && audience.entry !== null) effects.entering.add(audience);
      if (before === now && !own.changed.has(id)) continue;
      own.moved.add(id);
      for (const gateway of before?.gateways ?? []) own.renew(gateway, id);
      if (before !== undefined && before !== now) left.add(before);
      if (now !== undefined && now.gateways.size === 0) effects.founded.add(now);
    }
    for (const audience of left) if (audience.members.size === 0) this.#dissolve(audience, effects, states);
    this.admissions.settle();
  }

  #dissolve(audience: Audience, effects: Effects, states: ReadonlyMap<string, GatewayState>): void {
    for (const gateway of [...audience.gateways]) states.get(gateway)?.remove(audience);
    this.audiences.dissolve(audience);
    effects.founded.delete(audience);
  }
}

function matchesOf(world: World, policies: PolicyIndex, id: string, ask: (rule: WorldRule) => Outcome): PolicyMatch[] {
  const policy = policies.get(id);
  if (policy === undefined) return [];
  const rule = conditionOf(world, policy);
  if (rule === null) return [plainMatch(id)];
  const match = rule === undefined ? null : matchOf(policy, ask(rule), programOf(rule)?.asksSource === true);
  return match === null ? [] : [match];
}
