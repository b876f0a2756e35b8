import type { RuleInputs } from '../../rules/index.ts';
import { type Outcome, programOf, ruleOutcome } from '../../rules/index.ts';
import type { WorldRule } from '../../types.ts';
import { computed } from '../indexes/maps.ts';

/**
 * Outcomes of rules for devices or sites, held by those who asked as long as they need them. Who asks a rule with inputs
 * that it cannot tell apart shares one outcome.
 */
export class Admissions {
  readonly #known = new Map<WorldRule, Map<string, Held>>();
  readonly #byMember = new Map<string, Held[]>();
  readonly #deadlines = new Deadlines();

  /** When the first of them is due; null: none is. */
  nextDeadline(): number | null {
    return this.#deadlines.next()?.outcome.dueAt ?? null;
  }

  /** Members whose outcomes are due; these are asked for anew from here on. */
  takeDue(now: number): Set<string> {
    const members = new Set<string>();
    for (let held = this.#deadlines.next(); held !== null; held = this.#deadlines.next()) {
      if ((held.outcome.dueAt as number) > now) break;
      for (const member of held.members) members.add(member);
      this.#forget(held);
    }
    return members;
  }

  /** Forgets every outcome of rules that ask for the time, as when the clock was put back; returns who held them. */
  takeTimed(): Set<string> {
    const members = new Set<string>();
    for (const [rule, outcomes] of this.#known) {
      if (programOf(rule)?.asksTime !== true) continue;
      for (const held of outcomes.values()) {
        for (const member of held.members) members.add(member);
        this.#forget(held);
      }
    }
    return members;
  }

  /** Lets go of what a member held; returns who asks for it anew. */
  ask(member: string): (rule: WorldRule, inputs: RuleInputs, now: number, zone: string) => Outcome {
    const before = this.#byMember.get(member) ?? [];
    this.#byMember.delete(member);
    const holding: Held[] = [];
    for (const held of before) held.members.delete(member);
    this.#abandoned.push(...before);
    return (rule, inputs, now, zone) => {
      const held = this.#hold(rule, inputs, now, zone);
      held.members.add(member);
      if (holding.push(held) === 1) this.#byMember.set(member, holding);
      return held.outcome;
    };
  }

  /** Ends a round of asking: what nobody holds any more goes. */
  settle(): void {
    for (const held of this.#abandoned) if (held.members.size === 0) this.#forget(held);
    this.#abandoned.length = 0;
  }

  readonly #abandoned: Held[] = [];

  #hold(rule: WorldRule, inputs: RuleInputs, now: number, zone: string): Held {
    const outcomes = computed(this.#known, rule, () => new Map<string, Held>());
    const key = `${rule.timeZone === null ? zone : ''} ${programOf(rule)?.key(inputs) ?? ''}`;
    return computed(outcomes, key, () => {
      const held = {
        rule,
        key,
        outcome: ruleOutcome(rule, inputs, now, zone),
        members: new Set<string>(),
        gone: false,
      };
      if (held.outcome.dueAt !== null) this.#deadlines.add(held);
      return held;
    });
  }

  #forget(held: Held): void {
    held.gone = true;
    const outcomes = this.#known.get(held.rule);
    if (outcomes?.get(held.key) === held) outcomes.delete(held.key);
    if (outcomes?.size === 0) this.#known.delete(held.rule);
  }
}

interface Held {
  readonly rule: WorldRule;
  readonly key: string;
  readonly outcome: Outcome;
  readonly members: Set<string>;
  gone: boolean;
}

/** Binary heap by `dueAt`. What is gone stays in it until it comes to the top. */
class Deadlines {
  readonly #heap: Held[] = [];

  add(held: Held): void {
    const heap = this.#heap;
    let at = heap.push(held) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (due(heap[parent]) <= due(held)) break;
      heap[at] = heap[parent] as Held;
      at = parent;
    }
    heap[at] = held;
  }

  /** The earliest that is not gone; it stays. */
  next(): Held | null {
    while (this.#heap[0]?.gone) this.#pop();
    return this.#heap[0] ?? null;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < heap.length && due(heap[child + 1]) < due(heap[child])) child++;
      if (child >= heap.length || due(heap[child]) >= due(last)) break;
      heap[at] = heap[child] as Held;
      at = child;
    }
    heap[at] = last;
  }
}

function due(held: Held | undefined): number {
  return held?.outcome.dueAt ?? Number.POSITIVE_INFINITY;
}
