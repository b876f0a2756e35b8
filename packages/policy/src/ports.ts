import type { DestinationProtocol, Grant, PortRange } from '@sallyport/contract/channel';

export type { Grant } from '@sallyport/contract/channel';

/** Ports about which one policy decides, in the order of evaluation. */
export interface PortRule {
  readonly policy: string;
  readonly allow: boolean;
  readonly ports: readonly PortRange[];
}

/** Every port of every protocol. */
export const everyPort: readonly PortRange[] = (['tcp', 'udp', 'icmp', 'other'] as const).map((protocol) => ({
  protocol,
  from: 0,
  to: 65535,
}));

/** Resolves rules by first match. Returns disjoint grants, sorted, as few as possible. */
export function resolvePorts(rules: readonly PortRule[]): Grant[] {
  return protocols.flatMap((protocol) => {
    let open: Interval[] = [[0, 65535]];
    const grants: Grant[] = [];
    for (const rule of rules) {
      for (const [from, to] of intervalsOf(protocol, rule.ports)) {
        if (rule.allow)
          for (const [a, b] of open)
            if (a <= to && from <= b)
              grants.push({ protocol, from: Math.max(a, from), to: Math.min(b, to), policy: rule.policy });
        open = open.flatMap(([a, b]) => without(a, b, from, to));
      }
    }
    return mergeGrants(grants);
  });
}

/** Returns ports in canonical form: merged and sorted, with `icmp` and `other` whole. */
export function canonicalPorts(ports: readonly PortRange[]): PortRange[] {
  return protocols.flatMap((protocol) =>
    intervalsOf(protocol, ports).map(([from, to]): PortRange => ({ protocol, from, to })),
  );
}

/** Returns whether two lists share a port. */
export function portsOverlap(a: readonly PortRange[], b: readonly PortRange[]): boolean {
  return a.some((x) => b.some((y) => x.protocol === y.protocol && x.from <= y.to && y.from <= x.to));
}

/** Returns the ports that are in both lists. */
export function sharedPorts(a: readonly PortRange[], b: readonly PortRange[]): PortRange[] {
  return a.flatMap((x) =>
    b.flatMap((y): PortRange[] => {
      const [from, to] = [Math.max(x.from, y.from), Math.min(x.to, y.to)];
      return x.protocol === y.protocol && from <= to ? [{ protocol: x.protocol, from, to }] : [];
    }),
  );
}

/** Returns whether some port is in the first list but not in the second. Ranges of one list must not overlap. */
export function uncovered(ports: readonly PortRange[], by: readonly PortRange[]): boolean {
  return ports.some(({ protocol, from, to }) => {
    let open: Interval[] = [[from, to]];
    for (const other of by)
      if (other.protocol === protocol) open = open.flatMap(([a, b]) => without(a, b, other.from, other.to));
    return open.length > 0;
  });
}

type Interval = readonly [from: number, to: number];

const protocols: readonly DestinationProtocol[] = ['tcp', 'udp', 'icmp', 'other'];

function intervalsOf(protocol: DestinationProtocol, ports: readonly PortRange[]): Interval[] {
  const own = ports.filter((range) => range.protocol === protocol);
  if (own.length === 0) return [];
  if (protocol === 'icmp' || protocol === 'other') return [[0, 65535]];
  const merged: Interval[] = [];
  for (const { from, to } of own.sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) merged[merged.length - 1] = [last[0], Math.max(last[1], to)];
    else merged.push([from, to]);
  }
  return merged;
}

function without(a: number, b: number, from: number, to: number): Interval[] {
  if (to < a || b < from) return [[a, b]];
  const left: Interval[] = [];
  if (a < from) left.push([a, from - 1]);
  if (to < b) left.push([to + 1, b]);
  return left;
}

function mergeGrants(grants: Grant[]): Grant[] {
  const merged: Grant[] = [];
  for (const grant of grants.sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && last.policy === grant.policy && last.to + 1 === grant.from)
      merged[merged.length - 1] = { ...last, to: grant.to };
    else merged.push(grant);
  }
  return merged;
}
