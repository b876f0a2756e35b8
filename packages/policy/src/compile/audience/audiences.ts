import { computed, Multimap } from '../indexes/maps.ts';
import { keyOf, type PolicyMatch } from './matches.ts';

/** Devices reach resources through the tunnel; sites are networks behind gateways. */
export type MemberKind = 'device' | 'site';

/** Members, devices or sites, to whom the same policies say the same: what one may reach, all may reach. */
export class Audience {
  readonly kind: MemberKind;
  /** Gateway through which its members come in wherever they go; null: straight to each gateway. */
  readonly entry: string | null;
  /** Matches of the policies that match, without the universal ones, sorted by policy id. */
  readonly matches: readonly PolicyMatch[];
  readonly key: string;
  readonly members = new Set<string>();
  /** Gateways that have a place for it. */
  readonly gateways = new Set<string>();

  constructor(kind: MemberKind, key: string, matches: readonly PolicyMatch[], entry: string | null) {
    this.kind = kind;
    this.entry = entry;
    this.key = key;
    this.matches = matches;
  }
}

/** Living devices, or sites, grouped by what their policies say to them. */
export class Audiences {
  readonly #kind: MemberKind;
  readonly #byKey = new Map<string, Audience>();
  readonly #byPolicy = new Multimap<Audience>();
  readonly #byMember = new Map<string, Audience>();
  readonly #entering = new Set<Audience>();

  constructor(kind: MemberKind) {
    this.#kind = kind;
  }

  all(): Iterable<Audience> {
    return this.#byKey.values();
  }

  /** Those that come in through one gateway. */
  get entering(): ReadonlySet<Audience> {
    return this.#entering;
  }

  withPolicy(policy: string): ReadonlySet<Audience> {
    return this.#byPolicy.get(policy);
  }

  of(member: string): Audience | undefined {
    return this.#byMember.get(member);
  }

  /** Puts a member where its matches belong; one without any (null) belongs nowhere: undefined. */
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

  /** Forgets an audience that has no members any more. */
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
