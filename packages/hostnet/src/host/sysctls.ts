/** A changed kernel setting, with its previous value. */
export interface SysctlChange {
  /** Path below /proc/sys. */
  readonly path: string;
  readonly value: string;
  /** The current value, which is restored when the gateway is removed. */
  readonly before: string;
}

const V6 = 'net/ipv6/conf';
const FORCE_DEFAULT = `${V6}/default/force_forwarding`;

/** Returns the settings to read, given the names below `conf`. The caller leaves out those that the kernel lacks. */
export function sysctlPaths(tunnel: string, interfaces: readonly string[]): string[] {
  return [
    FORWARD,
    `net/ipv4/conf/${tunnel}/forwarding`,
    EARLY_DEMUX,
    ALL_RP_FILTER,
    `net/ipv4/conf/${tunnel}/rp_filter`,
    SOURCE_MARK,
    ...redirects(tunnel),
    `${V6}/${tunnel}/disable_ipv6`,
    `${V6}/all/forwarding`,
    ...interfaces.flatMap((name) => [`${V6}/${name}/force_forwarding`, `${V6}/${name}/accept_ra`]),
  ];
}

/** The setting that makes this host forward IPv4. */
export const FORWARD = 'net/ipv4/ip_forward';
const ALL_RP_FILTER = 'net/ipv4/conf/all/rp_filter';

/** Returns whether no traffic passes without the setting. Other settings that cannot be written stay unchanged. */
function isEssential(path: string, tunnel: string): boolean {
  return path === FORWARD || path === SOURCE_MARK || path === `net/ipv4/conf/${tunnel}/forwarding`;
}

/**
 * The setting that lets packets of established connections to this host skip the routing rules, in both families. If it
 * is on, a flushed ruleset does not end such connections, because our rule never sees the packets.
 */
const EARLY_DEMUX = 'net/ipv4/ip_early_demux';

/** The setting that makes the reverse path filter use a packet's mark. Without it our rule would match every packet. */
export const SOURCE_MARK = 'net/ipv4/conf/all/src_valid_mark';

/**
 * The settings for redirects. A packet that turns round in the tunnel is no mistake of its sender. Redirects about it
 * would use up the kernel's limit for errors that matter. An interface sends redirects if its own setting or `all`
 * says so.
 */
function redirects(tunnel: string): string[] {
  return ['all', tunnel].map((name) => `net/ipv4/conf/${name}/send_redirects`);
}

/**
 * Returns the wanted settings: forwarding for both families, no redirects, no early demultiplexing, and a loose
 * reverse path filter that uses marks. The kernel takes the higher number of `all` and the interface's own (1 is
 * strict, 2 is loose).
 *
 * IPv6 forwarding applies to all interfaces at once and stops a host from accepting router advertisements. Linux 6.17
 * has `force_forwarding`, which does not have this effect. Where it exists, it is set on every interface, since it
 * applies to the interface where a packet arrives. Otherwise interfaces that accepted advertisements keep accepting
 * them (`accept_ra` 2).
 *
 * `fixed` lists settings that cannot be written. The result still contains those that the tunnel cannot work without.
 */
export function planSysctls(
  tunnel: string,
  found: ReadonlyMap<string, string>,
  fixed: ReadonlySet<string> = new Set(),
): SysctlChange[] {
  const changes: SysctlChange[] = [];
  const want = (path: string, value: string): void => {
    const before = found.get(path);
    if (before === undefined || before === value || (fixed.has(path) && !isEssential(path, tunnel))) return;
    changes.push({ path, value, before });
  };
  // This setting applies to every interface.
  if (found.get(FORWARD) === '1') want(`net/ipv4/conf/${tunnel}/forwarding`, '1');
  want(FORWARD, '1');
  want(EARLY_DEMUX, '0');
  const filters = [ALL_RP_FILTER, `net/ipv4/conf/${tunnel}/rp_filter`].map((path) => Number(found.get(path) ?? 0));
  if (Math.max(...filters) === 1) want(`net/ipv4/conf/${tunnel}/rp_filter`, '2');
  want(SOURCE_MARK, '1');
  for (const path of redirects(tunnel)) want(path, '0');
  want(`${V6}/${tunnel}/disable_ipv6`, '0');
  if (found.get(`${V6}/all/forwarding`) === '1') return changes;
  if (found.has(FORCE_DEFAULT)) {
    // Not `all`: a write to it overwrites every interface's own value, and that value could not be restored.
    const paths = [...found.keys()].filter((path) => path.endsWith('/force_forwarding'));
    for (const path of paths) if (path !== `${V6}/all/force_forwarding`) want(path, '1');
    return changes;
  }
  for (const [path, value] of found) if (path.endsWith('/accept_ra') && value === '1') want(path, '2');
  want(`${V6}/all/forwarding`, '1');
  return changes;
}
