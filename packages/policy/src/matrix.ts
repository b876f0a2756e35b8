import { evaluateAhead } from './ahead.ts';
import { keyOf, type PolicyMatch } from './compile/audience/matches.ts';
import { computed } from './compile/indexes/maps.ts';
import { Reach } from './compile/reach.ts';
import { earliest } from './moments.ts';
import type { WorldDevice } from './types.ts';
import type { World } from './world.ts';

/** Selects rows by their fields. A field that is left out selects all rows. */
export interface MatrixFilter {
  readonly devices?: ReadonlySet<string>;
  readonly users?: ReadonlySet<string>;
  readonly resources?: ReadonlySet<string>;
  readonly gateways?: ReadonlySet<string>;
  readonly policies?: ReadonlySet<string>;
}

/** One resource that one device reaches. */
export interface MatrixRow {
  readonly device: string;
  readonly resource: string;
  /** Policies that open any part of the resource. */
  readonly policies: readonly string[];
  /** Gateways through which they open it, in the order of the resource. */
  readonly gateways: readonly string[];
  /** First moment at which one of the policies may no longer open it; null: time alone changes nothing. */
  readonly validUntil: number | null;
}

/** Yields which devices reach which private and SaaS resources at a moment, in the order of devices in the world. */
export function* accessMatrix(world: World, at: number, filter: MatrixFilter = {}): Generator<MatrixRow> {
  for (const row of accessMatrixSteps(world, at, filter)) if (row !== null) yield row;
}

/** Does the same, and yields null after each device, even one that reaches nothing, so that the caller can pause. */
export function* accessMatrixSteps(world: World, at: number, filter: MatrixFilter = {}): Generator<MatrixRow | null> {
  yield* evaluateAhead(world, at, selected(world, filter));
  const reach = new Reach(world, at);
  const known = new Map<string, readonly Row[]>();
  for (const device of selected(world, filter)) {
    const matches = reach.matches(device);
    if (matches === null) continue;
    if (known.size > knownLimit) known.clear();
    const rows = computed(known, keyOf(matches), () => rowsOf(world, reach, matches, filter));
    for (const row of rows) yield { device: device.id, ...row };
    yield null;
  }
}

type Row = Omit<MatrixRow, 'device'>;

/** Most sets of matches whose rows are kept. Devices with equal matches mostly follow each other. */
const knownLimit = 256;

function* selected(world: World, { devices, users }: MatrixFilter): Generator<WorldDevice> {
  for (const device of world.devices.values()) {
    if (devices !== undefined && !devices.has(device.id)) continue;
    if (users === undefined || (device.user !== null && users.has(device.user))) yield device;
  }
}

function rowsOf(world: World, reach: Reach, matches: readonly PolicyMatch[], filter: MatrixFilter): Row[] {
  const found = new Map<string, { policies: Set<string>; gateways: Set<string> }>();
  for (const gateway of reach.gatewaysOf(matches)) {
    const here = reach.gateway(gateway);
    for (const cell of here.cells(matches))
      for (const [resource, policies] of here.opened(cell)) {
        const row = computed(found, resource, () => ({ policies: new Set<string>(), gateways: new Set<string>() }));
        row.gateways.add(gateway);
        for (const policy of policies) row.policies.add(policy);
      }
  }
  const untils = new Map(matches.map(({ policy, until }) => [policy, until]));
  return [...found].flatMap(([resource, { policies, gateways }]): Row[] => {
    if (!passes(filter.resources, [resource]) || !passes(filter.gateways, gateways)) return [];
    if (!passes(filter.policies, policies)) return [];
    const inOrder = world.resources.get(resource)?.gateways.filter((id) => gateways.has(id)) ?? [];
    const validUntil = [...policies].reduce<number | null>((a, id) => earliest(a, untils.get(id) ?? null), null);
    return [{ resource, policies: [...policies].sort(reach.policies.compare), gateways: inOrder, validUntil }];
  });
}

function passes(wanted: ReadonlySet<string> | undefined, values: Iterable<string>): boolean {
  return wanted === undefined || [...values].some((value) => wanted.has(value));
}
