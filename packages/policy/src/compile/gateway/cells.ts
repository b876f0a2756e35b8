import { contentId, endOf, type Cell as ItemCell, mostSuccessors, type Successor } from '@sallyport/contract/channel';
import { opensOn } from '../../matching.ts';
import { type Grant, type PortRule, portsOverlap, resolvePorts, uncovered } from '../../ports.ts';
import type { PortRange } from '../../types.ts';
import { keyOf, type PolicyMatch, plainMatch } from '../audience/matches.ts';
import { computed } from '../indexes/maps.ts';
import type { PolicyIndex } from '../indexes/policy-index.ts';
import type { PolicyPorts } from './destinations.ts';

/** The access of a profile to one class. */
export type Cell = Readonly<ItemCell>;

/** Resolves ordered policies to cells that only allow, at one gateway. Results are remembered by class and matches. */
export class CellResolver {
  readonly #gateway: string;
  readonly #policies: PolicyIndex;
  readonly #ports = new Map<string, PolicyPorts>();
  /** The grants that open ports at other gateways, to which packets are passed on. */
  readonly #onward = new Map<string, PolicyPorts>();
  readonly #known = new Map<string, Map<string, Cell | null>>();
  readonly #steps = new WeakMap<Cell, readonly Step[]>();
  #common: { matches: ReadonlyMap<string, readonly PolicyMatch[]>; cells: readonly Cell[] } | null = null;

  constructor(gateway: string, policies: PolicyIndex) {
    this.#gateway = gateway;
    this.#policies = policies;
  }

  /** Returns where a policy decides at this gateway, or undefined when it does not. */
  ports(policy: string): PolicyPorts | undefined {
    return this.#ports.get(policy);
  }

  /** Ids of the policies that decide anything at this gateway. */
  get touching(): Iterable<string> {
    return this.#ports.keys();
  }

  /** Sets where a policy decides, and where it passes packets on. Returns whether that changed. */
  setPorts(policy: string, ports: PolicyPorts, onward: PolicyPorts = new Map()): boolean {
    const different = [...replace(this.#ports, policy, ports), ...replace(this.#onward, policy, onward)];
    for (const classId of different) this.#known.delete(classId);
    if (different.length > 0) this.#common = null;
    return different.length > 0;
  }

  /** Forgets results that a policy may have influenced. Call it when anything but the ports of the policy changed. */
  forget(policy: string): void {
    this.#common = null;
    for (const classId of this.#ports.get(policy)?.keys() ?? []) this.#known.delete(classId);
  }

  /** Returns what a cell of this resolver admits now. */
  grants(cell: Cell): readonly Grant[] {
    return this.#steps.get(cell)?.[0]?.grants ?? [];
  }

  /** Returns the bundles of a cell, the present one first. */
  steps(cell: Cell): readonly Step[] {
    return this.#steps.get(cell) ?? [];
  }

  /** Returns the cells of some matches, sorted by class id. For devices, universal policies are included. */
  cells(own: readonly PolicyMatch[], kind: 'device' | 'site'): readonly Cell[] {
    const common = kind === 'device' ? (this.#common ??= this.#commonCells()) : nothingInCommon;
    if (own.length === 0) return common.cells;
    const matches = new Map<string, PolicyMatch[]>();
    for (const match of own)
      for (const classId of this.#ports.get(match.policy)?.keys() ?? [])
        computed(matches, classId, () => [...(common.matches.get(classId) ?? [])]).push(match);
    const cells = this.#resolveAll(matches);
    for (const cell of common.cells) if (!matches.has(cell.class)) cells.push(cell);
    return cells.sort(byClass);
  }

  #commonCells() {
    const matches = new Map<string, PolicyMatch[]>();
    for (const policy of this.#policies.universal)
      for (const classId of this.#ports.get(policy)?.keys() ?? [])
        computed(matches, classId, () => []).push(plainMatch(policy));
    return { matches, cells: this.#resolveAll(matches).sort(byClass) };
  }

  #resolveAll(all: ReadonlyMap<string, PolicyMatch[]>): Cell[] {
    const cells: Cell[] = [];
    for (const [classId, matches] of all) {
      if (matches.length > 1) matches.sort((a, b) => this.#policies.compare(a.policy, b.policy));
      const known = computed(this.#known, classId, () => new Map<string, Cell | null>());
      if (known.size > knownLimit) known.clear();
      const cell = computed(known, keyOf(matches), () => this.#resolve(classId, matches));
      if (cell !== null) cells.push(cell);
    }
    return cells;
  }

  #resolve(classId: string, matches: readonly PolicyMatch[]): Cell | null {
    const rules = matches.flatMap((match): TimedRule[] => {
      const policy = this.#policies.get(match.policy);
      const ports = this.#ports.get(match.policy)?.get(classId);
      if (policy === undefined || ports === undefined) return [];
      return [
        { policy: match.policy, allow: opensOn(policy, this.#gateway), ports, met: match.met, until: match.until },
      ];
    });
    const grants = resolvePorts(rules.filter(({ met }) => met));
    if (grants.length === 0) return null;
    const onward = this.#goesOn(classId, rules, grants);
    const steps = stepsOf(rules, grants, onward ? 'onward-bundle' : 'bundle');
    const [{ bundle, expiresAt }, ...later] = steps;
    const after = later.map((step): Successor => ({ bundle: step.bundle, expiresAt: step.expiresAt }));
    const cell: Cell = {
      ...{ class: classId, bundle, expiresAt },
      ...(after.length > 0 && { after }),
      ...(onward && { onward }),
    };
    this.#steps.set(cell, steps);
    return cell;
  }

  /**
   * Whether packets are passed on: what is carried elsewhere has narrower prefixes here than what the gateway carries.
   */
  #goesOn(classId: string, rules: readonly TimedRule[], grants: readonly Grant[]): boolean {
    return rules.some(({ policy, allow, met }) => {
      const ports = allow && met ? this.#onward.get(policy)?.get(classId) : undefined;
      return ports !== undefined && portsOverlap(ports, grants);
    });
  }
}

type TimedRule = PortRule & Pick<PolicyMatch, 'met' | 'until'>;

/** Most results kept for one class. More are leftovers of combinations of policies that no member has any more. */
const knownLimit = 5000;

const nothingInCommon = { matches: new Map<string, readonly PolicyMatch[]>(), cells: [] };

/** One bundle of a cell, and the first moment at which some port of it is no longer certain; null: all are certain. */
interface Step {
  readonly bundle: string;
  readonly grants: readonly Grant[];
  readonly expiresAt: number | null;
}

/**
 * Returns the present bundle of a cell and its successors. A successor begins when some port of the bundle before it is
 * no longer certain. When there are more such moments than successors, the last successor has the ports that never
 * close.
 */
function stepsOf(rules: readonly TimedRule[], grants: readonly Grant[], kind: BundleKind): [Step, ...Step[]] {
  const moments = [...new Set(rules.flatMap(({ until }) => until ?? []))].sort((a, b) => a - b);
  const [first, ...later] = grantsInTurn(rules, grants, moments);
  const step = (turn: Turn, next: Turn | undefined) => stepOf(turn, next, kind);
  return [step(first, later[0]), ...later.map((turn, i) => step(turn, later[i + 1])).filter(isOpen)];
}

/** Cells that pass packets on have separate bundles, so that the hash of a state shows the difference. */
type BundleKind = 'bundle' | 'onward-bundle';

interface Turn {
  readonly from: number;
  readonly grants: readonly Grant[];
}

function grantsInTurn(rules: readonly TimedRule[], grants: readonly Grant[], moments: number[]): [Turn, ...Turn[]] {
  const turns: [Turn, ...Turn[]] = [{ from: Number.NEGATIVE_INFINITY, grants }];
  for (const from of moments) {
    const next = { from, grants: sureAt(rules, from) };
    const last = turns.at(-1) as Turn;
    if (!uncovered(last.grants, next.grants)) continue;
    if (turns.length < mostSuccessors) turns.push(next);
    else return [...turns, ...lastTurns(next, sureAt(rules, Number.POSITIVE_INFINITY), rules, moments)];
  }
  return turns;
}

/** Prefers ports that stay open for good over one more step after which everything closes. */
function lastTurns(next: Turn, forGood: readonly Grant[], rules: readonly TimedRule[], moments: number[]): Turn[] {
  if (forGood.length > 0) return [{ from: next.from, grants: forGood }];
  const end = moments.find((from) => uncovered(next.grants, sureAt(rules, from)));
  return end === undefined ? [next] : [next, { from: end, grants: [] }];
}

/**
 * Returns the ports that are open from a moment on, whatever the outcomes of rules will be. An allow whose time is over
 * counts as not met, a closing rule as met. So nothing stays open longer than is certain, and ports that other policies
 * open do not close.
 */
function sureAt(rules: readonly TimedRule[], moment: number): Grant[] {
  return resolvePorts(
    rules.filter(({ allow, met, until }) => {
      const over = until !== null && until <= moment;
      return allow ? met && !over : met || over;
    }),
  );
}

function stepOf({ grants }: Turn, next: Turn | undefined, kind: BundleKind): Step {
  const bundle = contentId(kind, ...grants.map((g) => `${g.protocol} ${g.from} ${g.to} ${g.policy}`));
  return { bundle, grants, expiresAt: next?.from ?? null };
}

const isOpen = ({ grants }: Step): boolean => grants.length > 0;

/** Returns the latest expiry of some cells; null: one of them does not expire. */
export function latestExpiry(cells: readonly Cell[]): number | null {
  let latest = 0;
  for (const cell of cells) {
    const end = endOf(cell);
    if (end === null) return null;
    latest = Math.max(latest, end);
  }
  return latest;
}

function byClass(a: Cell, b: Cell): number {
  return a.class < b.class ? -1 : a.class > b.class ? 1 : 0;
}

/** Returns the classes in which the ports of a policy changed. */
function replace(all: Map<string, PolicyPorts>, policy: string, ports: PolicyPorts): string[] {
  const before = all.get(policy) ?? new Map();
  if (ports.size === 0) all.delete(policy);
  else all.set(policy, ports);
  return [...new Set([...before.keys(), ...ports.keys()])].filter(
    (classId) => !samePorts(before.get(classId), ports.get(classId)),
  );
}

function samePorts(a: readonly PortRange[] | undefined, b: readonly PortRange[] | undefined): boolean {
  if (a?.length !== b?.length) return false;
  return a?.every((x, i) => x === b?.[i]) ?? true;
}
