import { ROUTE_PROTOCOL } from '../host/batch.ts';
import { formatAddress, parseAddress, parsePrefix } from '../ip.ts';
import type { ClientHostState } from '../types.ts';

/**
 * Priorities of our policy rules: after the local table, before all other rules except those that are early on
 * purpose.
 */
export const DIRECT_RULE = 5180;
const FIRST_RULE = 5181;
/** The last priority that earlier versions used. `sally down` and the next `up` remove rules up to it. */
export const LAST_RULE = 5184;

/**
 * Returns the policy rules. WireGuard's own packets carry the mark and bypass the tunnel. For all other packets the
 * kernel reads the tunnel's table before the main one. So no route that the host learns takes traffic out of the
 * tunnel. Destinations that must be reached past the tunnel come first, each with its port. Without prefixes there are
 * no rules.
 */
export function wantedRules(state: ClientHostState, family: 4 | 6, resolvers: readonly string[] = []): string[] {
  if (state.prefixes.length === 0) return [];
  const own = { priority: FIRST_RULE, not: true, mark: state.mark, table: `lookup ${state.table}`, suppress: false };
  const direct = [...controllerAndRelays(state, family), leases(family), ...resolverTargets(family, resolvers)];
  return [...new Set(direct.map(directRule)), ruleText(own)];
}

function directRule(to: RuleTarget): string {
  return ruleText({ priority: DIRECT_RULE, not: false, mark: null, to, table: 'lookup main', suppress: false });
}

function controllerAndRelays({ direct = [], uid }: ClientHostState, family: 4 | 6): RuleTarget[] {
  const targets = direct.filter(({ address }) => parseAddress(address).family === family);
  return targets.map(({ address, protocol, port }) => ({
    to: formatAddress(parseAddress(address)),
    ...{ protocol, port },
    ...(uid !== undefined && { uid }),
  }));
}

/**
 * Matches renewals of a DHCP lease (RFC 2131 section 4.1, RFC 8415 section 7.2). Without them the host loses its
 * address.
 */
function leases(family: 4 | 6): RuleTarget {
  return family === 4 ? { protocol: 'udp', from: 68, port: 67 } : { protocol: 'udp', from: 546, port: 547 };
}

function resolverTargets(family: 4 | 6, resolvers: readonly string[]): RuleTarget[] {
  const networks = resolvers.filter((prefix) => parsePrefix(prefix).family === family);
  return networks.flatMap((to) => (['udp', 'tcp'] as const).map((protocol) => ({ to, protocol, port: 53 })));
}

/** The packets that a policy rule of `ip rule` matches. */
export interface RuleTarget {
  /** An address or a prefix; absent means any destination. */
  readonly to?: string;
  readonly protocol: 'tcp' | 'udp';
  /** Source port; absent means any. */
  readonly from?: number;
  readonly port: number;
  /** User whose sockets the rule matches; absent means all users. */
  readonly uid?: number;
}

/** A policy rule of `ip rule`, part by part. */
export interface RuleParts {
  readonly priority: number;
  readonly not: boolean;
  readonly mark: number | null;
  /** The destination; absent means any. */
  readonly to?: RuleTarget;
  /** `lookup` and the table, or `unreachable`. */
  readonly table: string;
  readonly suppress: boolean;
}

/** Returns a rule in the form that `ip rule add` and `ip rule del` accept. */
export function ruleText({ priority, not, mark, to, table, suppress }: RuleParts): string {
  return [
    `pref ${priority}`,
    not && 'not',
    mark !== null && `fwmark 0x${mark.toString(16)}`,
    to && targetText(to),
    table,
    suppress && 'suppress_prefixlength 0',
    `protocol ${ROUTE_PROTOCOL}`,
  ]
    .filter(Boolean)
    .join(' ');
}

function targetText({ to, protocol, from, port, uid }: RuleTarget): string {
  const words = [
    to !== undefined && `to ${to}`,
    `ipproto ${protocol}`,
    from !== undefined && `sport ${from}`,
    `dport ${port}`,
    uid !== undefined && `uidrange ${uid}-${uid}`,
  ];
  return words.filter(Boolean).join(' ');
}
