import { computed, Multimap } from '../indexes/maps.ts';
import { keyOf, type PolicyMatch } from './matches.ts';

/** Kinds of traffic sources: devices with a tunnel, and sites, which are networks behind gateways. */
export type MemberKind = 'device' | 'site';

/** Devices, or sites, with equal policy matches. What one member may reach, all may reach. */
export class Audience {
  readonly kind: MemberKind;
  /** Entry gateway of the members; null: they connect to each gateway directly. */
  readonly entry: string | null;
  /** Matches without those of universal policies, sorted by policy id. */
  readonly matches: readonly PolicyMatch[];
  readonly key: string;
  readonly members = new Set<string>();
  /** Gateways at which it is placed. */
  readonly gateways = new Set<string>();

  constructor(kind: MemberKind, key: string, matches: readonly PolicyMatch[], entry: string | null) {
    this.kind = kind;
    this.entry = entry;
    this.key = key;
    this.matches = matches;
  }
}

/** Active devices, or sites, grouped by their policy matches. */
export class Audiences {
  readonly #kind: MemberKind;
  readonly #byKey = new Map<string, Audience>();
  readonly #byPolicy = new Multimap<Audience>();
  readonly #byMember = new Map<string, Audience>();
  readonly #entering = new Set<Audience>();

  constructor(kind: MemberKind) {
    this.#kind = kind;
  }

  /** Returns all audiences. */
  all(): Iterable<Audience> {
    return this.#byKey.values();
  }

  /** Audiences behind an entry gateway. */
  get entering(): ReadonlySet<Audience> {
    return this.#entering;
  }

  /** Returns the audiences with a match of a policy. */
  withPolicy(policy: string): ReadonlySet<Audience> {
    return this.#byPolicy.get(policy);
  }

  /** Returns the audience of a member, or undefined. */
  of(member: string): Audience | undefined {
    return this.#byMember.get(member);
  }

  /**
   * Moves a member to the audience of its matches, and returns that. Null: the member leaves, undefined is returned.
   */
  assign(member: string, matches: readonly PolicyMatch[] | null, entry: string | null): Audience | undefined {
    const before = this.#byMember.get(member);
    const key = matches === null ? null : `${entry === null ? '' : `${entry}: `}${keyOf(matches)}`;
    if (before !== undefined && before.key === key) return before;
    before?.members.delete(member);
    this.#byMember.delete(member);
    if (matches === null || key === null) return undefined;
    const audience = computed(this.#byKey, key, () => this.#found(key, matches, entry));
    audience.members.add(member);
    this.#byMember.set(member, audience);
    return audience;
  }

  /** Removes an audience without members. */
  dissolve(audience: Audience): void {
    this.#byKey.delete(audience.key);
    this.#entering.delete(audience);
    for (const { policy } of audience.matches) this.#byPolicy.delete(policy, audience);
  }

  #found(key: string, matches: readonly PolicyMatch[], entry: string | null): Audience {
    const audience = new Audience(this.#kind, key, matches, entry);
    if (entry !== null) this.#entering.add(audience);
    for (const { policy } of matches) this.#byPolicy.add(policy, audience);
    return audience;
  }
}
