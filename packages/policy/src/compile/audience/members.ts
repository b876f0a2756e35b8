import { Multimap, type ReadonlyMultimap } from '../indexes/maps.ts';
import { Steps } from '../indexes/steps.ts';
import { Admissions } from './admissions.ts';
import { type Audience, Audiences, type MemberKind } from './audiences.ts';
import type { MemberSource } from './member-sources.ts';

/** Members whose policies are matched again. */
export interface Rematch {
  readonly members: ReadonlySet<string>;
  /** Members among them whose own facts changed, so that their items at gateways change. */
  readonly changed: ReadonlySet<string>;
}

/** The moment of a change. */
export interface Moment {
  /** Epoch milliseconds. */
  readonly now: number;
  /** Time zone of the tenant. */
  readonly zone: string;
  /** Whether earlier outcomes of rules about the time are void: the clock or the zone was changed. */
  readonly reset: boolean;
}

/** What matching changed. */
export interface Regrouped<K extends MemberKind = MemberKind> {
  readonly kind: K;
  readonly audiences: Audiences;
  /** All members that were matched again. */
  readonly rematched: ReadonlySet<string>;
  /** Members that changed, or are in another audience than before. */
  readonly moved: ReadonlySet<string>;
  /** The same members by each gateway of their former audience. */
  readonly left: ReadonlyMultimap;
  /** Audiences that have no place at any gateway yet. */
  readonly founded: ReadonlySet<Audience>;
  /** Audiences that lost their last member. Their places at gateways remain. */
  readonly dissolved: ReadonlySet<Audience>;
  /** Audiences behind an entry gateway, before and after, of the members that were matched again. */
  readonly entering: ReadonlySet<Audience>;
}

/** All devices or all sites, with the outcomes of rules that they depend on, grouped into audiences. */
export class Members<K extends MemberKind> {
  readonly #kind: K;
  readonly #source: MemberSource;
  readonly #admissions = new Admissions();
  /** The audiences of the members. */
  readonly audiences: Audiences;

  constructor(kind: K, source: MemberSource) {
    this.#kind = kind;
    this.#source = source;
    this.audiences = new Audiences(kind);
  }

  /** Returns the moment at which a member has to be matched again; null: never by time alone. */
  nextDeadline(): number | null {
    return this.#admissions.nextDeadline();
  }

  /** Matches members again, together with those whose outcomes are due, and moves them to their audiences. In steps. */
  *regroup({ members, changed }: Rematch, moment: Moment): Generator<null, Regrouped<K>> {
    const due = moment.reset ? this.#admissions.takeTimed() : this.#admissions.takeDue(moment.now);
    const rematched = members.union(due);
    const [moved, left] = [new Set<string>(), new Multimap()];
    const [founded, entering, abandoned] = [new Set<Audience>(), new Set<Audience>(), new Set<Audience>()];
    const steps = new Steps();
    for (const id of rematched) {
      if (steps.done(perMember)) yield null;
      const before = this.audiences.of(id);
      const now = this.#assign(id, moment);
      for (const audience of [before, now]) if (audience != null && audience.entry !== null) entering.add(audience);
      if (before === now && !changed.has(id)) continue;
      moved.add(id);
      for (const gateway of before?.gateways ?? []) left.add(gateway, id);
      if (before !== undefined && before !== now) abandoned.add(before);
      if (now !== undefined && now.gateways.size === 0) founded.add(now);
    }
    this.#admissions.settle();
    const dissolved = new Set([...abandoned].filter((audience) => audience.members.size === 0));
    for (const audience of dissolved) this.audiences.dissolve(audience);
    return {
      kind: this.#kind,
      audiences: this.audiences,
      rematched,
      moved,
      left,
      founded: founded.difference(dissolved),
      dissolved,
      entering,
    };
  }

  #assign(id: string, { now, zone }: Moment): Audience | undefined {
    const ask = this.#admissions.ask(id);
    const matches = this.#source.matches(id, (rule, inputs) => ask(rule, inputs, now, zone));
    return this.audiences.assign(id, matches, this.#source.entry(id));
  }
}

/** Work of matching one member, in units of a step. */
const perMember = 8;
