import { CHECKED_MARK, markText } from './registers.ts';
import { DENIED_IN, DENIED_OUT, type Name } from './rule-text.ts';

/** Rules of regular chains, by name, each before the chains that lead to it. */
export type Chains = Readonly<Record<string, readonly string[]>>;

/** Name of the chain that decides twice about the packets of a chain. */
export function twice(entry: string): string {
  return `twice_${entry}`;
}

/**
 * Returns chains that decide again before they deny a packet. A decision needs several look-ups, and a change can come
 * between two of them. The packet then finds the old value in one map and the new keys in the next one. The second
 * decision begins after the change. It costs packets that are admitted nothing.
 *
 * The first copy of the chains returns where the last copy denies. So the chains of `chains` lead to each other by goto
 * only: a return ends the whole first decision.
 */
export function decidedTwice(g: Name, chains: Chains, entries: readonly string[]): Chains {
  const copies = new Map(Object.keys(chains).map((name) => [g(name), g(first(name))]));
  const firstRules = (rules: readonly string[]) => rules.map((rule) => firstRule(rule, copies));
  return {
    ...Object.fromEntries(Object.entries(chains).map(([name, rules]) => [first(name), firstRules(rules)])),
    ...chains,
    ...Object.fromEntries(
      entries.map((entry) => [twice(entry), [`jump ${g(first(entry))}`, UNDECIDED, `goto ${g(entry)}`]]),
    ),
  };
}

function first(name: string): string {
  return `${name}_first`;
}

function firstRule(rule: string, copies: ReadonlyMap<string, string>): string {
  if (rule === DENIED_IN || rule === DENIED_OUT) return 'return';
  const [, verb = '', target = ''] = / ?\b(goto|jump) (\S+)$/.exec(rule) ?? [];
  const copy = copies.get(target);
  if (copy === undefined) return rule.replace(DENIED, ' return');
  if (verb === 'jump') throw new Error(`a jump to ${target} would go on after a denial`);
  return `${rule.slice(0, -target.length)}${copy}`;
}

/** Marks a packet as it was before the first decision, so that no packet passes if the last copy was emptied. */
const UNDECIDED = `meta mark set ${markText(CHECKED_MARK)} meta priority set 0:0`;
const DENIED = new RegExp(` (${DENIED_IN}|${DENIED_OUT})$`);
