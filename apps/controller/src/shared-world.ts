import { z } from 'zod';
import type { Mapping } from './beacon/mappings.ts';
import { type Known, SharedFacts } from './replicas/shared-facts.ts';
import type { Replicas } from './replicas/types.ts';
import type { TenantRuntimes } from './runtime/runtimes.ts';

/** Parts of the controller that shared facts of the world change. */
export interface SharedWorldDeps {
  readonly replicas: Replicas;
  readonly runtimes: Pick<TenantRuntimes, 'deviceMoved' | 'deviceMapped' | 'unreachable'>;
  /** Time of the database. */
  readonly now: () => number;
  /** The beacon of another replica sees an agent, or sees it in another place. */
  readonly seenElsewhere: (agent: string) => void;
  /** Another replica says that no beacon sees an agent any more. */
  readonly endedElsewhere: (agent: string) => void;
  readonly log: { readonly warn: (facts: object, text: string) => void };
}

/** A mapping that a beacon has decided. */
export type DecidedMapping = Exclude<Mapping, { readonly kind: 'undecided' }>;

/**
 * Facts that decide what agents get and change without a commit: source addresses of devices, where beacons see agents,
 * resources that gateways cannot reach. Every replica takes those of others as its own, so that all compile the same.
 * They outlive all replicas. Rows have the first two as well, written later.
 */
export class SharedWorld {
  readonly #deps: SharedWorldDeps;
  readonly #sources: SharedFacts<string>;
  readonly #mapped: SharedFacts<DecidedMapping>;
  readonly #unreachable: SharedFacts<string[]>;

  constructor(deps: SharedWorldDeps) {
    this.#deps = deps;
    const { runtimes } = deps;
    this.#sources = new SharedFacts({
      ...{ ...deps, kind: 'source', value: z.string().max(64) },
      changed: (device, { tenant, value }) => value === null || runtimes.deviceMoved(tenant, device, value),
    });
    this.#mapped = new SharedFacts<DecidedMapping>({
      ...{ ...deps, kind: 'mapped', value: decided },
      changed: (agent, known) => this.#mappingChanged(agent, known),
    });
    this.#unreachable = new SharedFacts({
      ...{ ...deps, kind: 'unreachable', value: z.array(z.string().max(64)) },
      changed: (gateway, { tenant, value }) => runtimes.unreachable(tenant, gateway, value ?? []),
    });
  }

  /** The source address of a device's tunnel changed. */
  deviceMoved(tenant: string, device: string, source: string): void {
    this.#sources.learnt(tenant, device, source);
  }

  /** Returns another live replica that has decided about the source of a device last; null: there is none. */
  sourceDecider(device: string): string | null {
    const { replicas } = this.#deps;
    const { by } = this.#sources.of(device) ?? {};
    return by !== undefined && by !== replicas.self.id && replicas.isAlive(by) ? by : null;
  }

  /** The beacon of this replica judges an agent. */
  mapped(tenant: string, agent: string, mapping: Mapping): void {
    this.#mapped.learnt(tenant, agent, mapping.kind === 'undecided' ? null : mapping);
  }

  /** A gateway reports that it cannot reach these resources, and reaches all others of its own. */
  unreachable(tenant: string, gateway: string, resources: readonly string[]): void {
    this.#unreachable.learnt(tenant, gateway, [...resources]);
  }

  /** Returns what the beacon of another live replica says about an agent; null: no other one sees it. */
  mappingElsewhere(agent: string): DecidedMapping | null {
    const { replicas } = this.#deps;
    const { value = null, by } = this.#mapped.of(agent) ?? {};
    return by !== undefined && by !== replicas.self.id && replicas.isAlive(by) ? value : null;
  }

  /** Whether another live replica has judged an agent last. */
  isSeenElsewhere(agent: string): boolean {
    return this.mappingElsewhere(agent) !== null;
  }

  #mappingChanged(agent: string, { tenant, value, by }: Known<DecidedMapping>): void {
    const { runtimes, replicas, seenElsewhere, endedElsewhere } = this.#deps;
    runtimes.deviceMapped(tenant, agent, value?.kind === 'independent' ? value.endpoint : null);
    if (by === replicas.self.id) return;
    if (value === null) endedElsewhere(agent);
    else if (value.kind === 'independent') seenElsewhere(agent);
  }
}

const decided = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('independent'), endpoint: z.string().max(300) }),
  z.object({ kind: z.literal('dependent') }),
]);
