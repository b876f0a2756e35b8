import { contentId } from '@sallyport/contract/channel';
import { type Grant, type PortRule, resolvePorts } from '../ports.ts';
import { admission } from '../rules.ts';
import type { PortRange } from '../types.ts';
import type { PolicyPorts } from './destinations.ts';
import { computed } from './maps.ts';
import type { PolicyIndex } from './policy-index.ts';

/** What a profile may reach in one class. */
export interface Cell {
  readonly class: string;
  readonly bundle: string;
  readonly expiresAt: number | null;
}

/** Resolves ordered policies to allow-only cells on one gateway, and remembers results by class and policies. */
export class CellResolver {
  readonly #policies: PolicyIndex;
  readonly #ports = new Map<string, PolicyPorts>();
  readonly #known = new Map<string, Map<string, Cell | null>>();
  readonly #grants = new WeakMap<Cell, readonly Grant[]>();
  #common: { rules: ReadonlyMap<string, readonly string[]>; cells: readonly Cell[] } | null = null;

  constructor(policies: PolicyIndex) {
    this.#policies = policies;
  }

  ports(policy: string): PolicyPorts | undefined {
    return this.#ports.get(policy);
  }

  /** Policies that decide anything on this gateway. */
  get touching(): Iterable<string> {
    return this.#ports.keys();
  }

  /** Tells where a policy decides now; true when that is not what it was. */
  setPorts(policy: string, ports: PolicyPorts): boolean {
    const before = this.#ports.get(policy) ?? new Map();
    if (ports.size === 0) this.#ports.delete(policy);
    else this.#ports.set(policy, ports);
    const different = [...new Set([...before.keys(), ...ports.keys()])].filter(
      (classId) => !samePorts(before.get(classId), ports.get(classId)),
    );
    for (const classId of different) this.#known.delete(classId);
    if (different.length > 0) this.#common = null;
    return different.length > 0;
  }

  /** Forgets what a policy may have had a part in. To be called when more than its ports is another one now. */
  forget(policy: string): void {
    this.#common = null;
    for (const classId of this.#ports.get(policy)?.keys() ?? []) this.#known.delete(classId);
  }

  /** What a cell of this resolver admits. */
  grants(cell: Cell): readonly Grant[] {
    return this.#grants.get(cell) ?? [];
  }

  /** Cells of the universal policies and of some others, sorted by class id. */
  cells(own: readonly string[]): readonly Cell[] {
    const common = (this.#common ??= this.#commonCells());
    if (own.length === 0) return common.cells;
    const rules = new Map<string, string[]>();
    for (const policy of own)
      for (const classId of this.#ports.get(policy)?.keys() ?? [])
        computed(rules, classId, () => [...(common.rules.get(classId) ?? [])]).push(policy);
    const cells = this.#resolveAll(rules);
    for (const cell of common.cells) if (!rules.has(cell.class)) cells.push(cell);
    return cells.sort(byClass);
  }

  #commonCells() {
    const rules = new Map<string, string[]>();
    for (const policy of this.#policies.universal)
      for (const classId of this.#ports.get(policy)?.keys() ?? []) computed(rules, classId, () => []).push(policy);
    return { rules, cells: this.#resolveAll(rules).sort(byClass) };
  }

  #resolveAll(rules: ReadonlyMap<string, string[]>): Cell[] {
    const cells: Cell[] = [];
    for (const [classId, policies] of rules) {
      if (policies.length > 1) policies.sort(this.#policies.compare);
      const known = computed(this.#known, classId, () => new Map<string, Cell | null>());
      if (known.size > knownLimit) known.clear();
      const cell = computed(known, policies.join(' '), () => this.#resolve(classId, policies));
      if (cell !== null) cells.push(cell);
    }
    return cells;
  }

  #resolve(classId: string, ids: readonly string[]): Cell | null {
    const rules = ids.flatMap((id): (PortRule & { validUntil: number | null })[] => {
      const policy = this.#policies.get(id);
      const ports = this.#ports.get(id)?.get(classId);
      if (policy === undefined || ports === undefined) return [];
      return [{ policy: id, allow: policy.allow, ports, validUntil: admission(policy).validUntil }];
    });
    const grants = resolvePorts(rules);
    if (grants.length === 0) return null;
    const bundle = contentId('bundle', ...grants.map((g) => `${g.protocol} ${g.from} ${g.to} ${g.policy}`));
    const cell = { class: classId, bundle, expiresAt: earliest(rules.map((rule) => rule.validUntil)) };
    this.#grants.set(cell, grants);
    return cell;
  }
}

/** Results kept for one class: more are left over from policies that devices no longer have together. */
const knownLimit = 5000;

function earliest(times: readonly (number | null)[]): number | null {
  return times.reduce((a, b) => (a === null ? b : b === null ? a : Math.min(a, b)), null);
}

function byClass(a: Cell, b: Cell): number {
  return a.class < b.class ? -1 : a.class > b.class ? 1 : 0;
}

function samePorts(a: readonly PortRange[] | undefined, b: readonly PortRange[] | undefined): boolean {
  if (a?.length !== b?.length) return false;
  return a?.every((x, i) => x === b?.[i]) ?? true;
}
