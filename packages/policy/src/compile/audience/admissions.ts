import type { RuleInputs } from '../../rules/index.ts';
import { type Outcome, programOf, ruleOutcome } from '../../rules/index.ts';
import type { WorldRule } from '../../types.ts';
import { computed } from '../indexes/maps.ts';

/**
 * Keeps outcomes of rules as long as members (devices or sites) need them. Members whose inputs a rule cannot tell
 * apart share one outcome.
 */
export class Admissions {
  readonly #known = new Map<WorldRule, Map<string, Held>>();
  readonly #byMember = new Map<string, Held[]>();
  readonly #deadlines = new Deadlines();

  /** Returns the moment at which the first outcome is due, or null. */
  nextDeadline(): number | null {
    return this.#deadlines.next()?.outcome.dueAt ?? null;
  }

  /** Forgets the outcomes that are due. Returns the members that held one; they have to ask again. */
  takeDue(now: number): Set<string> {
    const members = new Set<string>();
    for (let held = this.#deadlines.next(); held !== null; held = this.#deadlines.next()) {
      if ((held.outcome.dueAt as number) > now) break;
      for (const member of held.members) members.add(member);
      this.#forget(held);
    }
    return members;
  }

  /** Forgets all outcomes of rules about the time, for a clock that was put back. Returns the members that held one. */
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

  /** Releases the outcomes that a member held. Returns the function with which the member asks again. */
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

  /** Ends a round of asking: forgets the released outcomes that no member holds. */
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

/** Binary heap by `dueAt`. Forgotten outcomes stay in it until they reach the top. */
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

  /** Returns the earliest outcome that is not forgotten, without removing it. */
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
