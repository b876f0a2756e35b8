import { addressSpaceOf } from '../addresses.ts';
import { carriedPart } from '../carried.ts';
import { decideBy } from '../evaluate.ts';
import { type Address, admitsPort, byId, type Destination, questionOf, type Source } from '../question.ts';
import { inputsOf, type RuleInputs } from '../rules/index.ts';
import type { AccessQuery, Verdict, WorldDevice, WorldPolicy, WorldResource } from '../types.ts';
import type { World } from '../world.ts';
import { OutcomeCache } from './audience/outcome-cache.ts';
import type { Entry } from './indexes/entries.ts';
import { computed } from './indexes/maps.ts';
import type { PolicyIndex } from './indexes/policy-index.ts';
import { isNamed, type ResourceIndex } from './indexes/resource-index.ts';

/** What the decider must not remember any longer. */
export interface Outdated {
  /** Whether other policies may decide about a destination. */
  readonly destinations: boolean;
  /** Devices to which other policies may apply. */
  readonly sources: ReadonlySet<string> | 'all';
}

/** Decides as `evaluate` does, but uses indexes to find the few policies that could decide. */
export class Decider {
  readonly #world: World;
  readonly #policies: PolicyIndex;
  readonly #resources: ResourceIndex;
  readonly #outcomes = new OutcomeCache();
  readonly #sources = new Map<string, Known>();
  readonly #about = new Map<string, readonly WorldPolicy[]>();

  constructor(world: World, policies: PolicyIndex, resources: ResourceIndex) {
    this.#world = world;
    this.#policies = policies;
    this.#resources = resources;
  }

  /** Returns the decision about a query. */
  decide(query: AccessQuery): Verdict {
    const question = questionOf(this.#world, query, {
      addressSpace: addressSpaceOf(this.#world.settings),
      destination: (address, asked) => this.#destination(address, asked),
      isNamed: ({ family, value }) => this.#resources.named({ family, first: value, last: value }).length > 0,
      device: (device, destination, internet) => this.#source(device, destination, internet),
    });
    if (typeof question === 'string') return { allowed: false, policy: null, reason: question, validUntil: null };
    const { timeZone } = this.#world.settings;
    return decideBy(
      question,
      (rule) => this.#outcomes.ask(rule, question.inputs, query.at, timeZone),
      () => {},
    );
  }

  /** Forgets what the changes made untrue. */
  forget({ destinations, sources }: Outdated): void {
    if (destinations) this.#about.clear();
    if (sources === 'all') this.#sources.clear();
    else for (const device of sources) this.#sources.delete(device);
  }

  #destination({ family, value }: Address, query: AccessQuery): Destination {
    const here = { family, first: value, last: value };
    const around = this.#resources.overlapping(here);
    const configured = around.length > 0;
    const found = new Map<string, Entry[]>();
    // A virtual address belongs to its names alone.
    const internet = around.some(isNamed) ? [] : this.#resources.internetOverlapping(here);
    for (const entry of [...around, ...internet])
      if (admitsPort(entry.ports, query)) computed(found, entry.resource.id, () => []).push(entry);
    const targets = [...found.values()].map((entries) => this.#carriedBy(entries));
    return { configured, targets: targets.sort(byId) };
  }

  /** Returns the resource of some entries with the gateways that carry any of them. */
  #carriedBy(entries: readonly Entry[]): WorldResource {
    const [{ resource }] = entries as readonly [Entry];
    if (entries.every((entry) => entry.resource === resource)) return resource;
    return carriedPart(
      this.#resources.get(resource.id) ?? resource,
      entries.map(({ address }) => address),
    );
  }

  #source(device: WorldDevice, { targets }: Destination, internet: boolean): Source {
    const { inputs, policies } = computed(this.#sources, device.id, () => ({
      inputs: inputsOf(this.#world, device),
      policies: new Set(this.#policies.matched(device)).union(this.#policies.universal),
    }));
    const fromSource = ({ id }: WorldPolicy) => policies.has(id);
    return { inputs, policies: this.#policiesOver(targets, internet).filter(fromSource), fromSource };
  }

  /** Returns the policies that could decide over some targets, in the order of evaluation. */
  #policiesOver(targets: readonly WorldResource[], internet: boolean): readonly WorldPolicy[] {
    if (internet) return computed(this.#about, 'internet', () => this.#inOrder(this.#policies.internet));
    const key = `resources ${targets.map(({ id }) => id).join(' ')}`;
    if (!this.#about.has(key) && this.#about.size > aboutLimit) this.#about.clear();
    return computed(this.#about, key, () => {
      let ids = new Set<string>();
      for (const target of targets) ids = ids.union(this.#policies.of(target));
      return this.#inOrder(ids);
    });
  }

  #inOrder(ids: Iterable<string>): WorldPolicy[] {
    return [...ids].sort(this.#policies.compare).flatMap((id) => this.#policies.get(id) ?? []);
  }
}

interface Known {
  readonly inputs: RuleInputs;
  readonly policies: ReadonlySet<string>;
}

/** Most sets of targets whose policies are remembered. */
const aboutLimit = 50_000;
