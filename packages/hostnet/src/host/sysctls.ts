/** A kernel setting that was changed, with its value from before. */
export interface SysctlChange {
  /** Below /proc/sys. */
  readonly path: string;
  readonly value: string;
  /** What it is now, to be restored when the gateway goes. */
  readonly before: string;
}

const V6 = 'net/ipv6/conf';
const FORCE_DEFAULT = `${V6}/default/force_forwarding`;

/** The settings to look at, given the names below `conf`. Those that the kernel lacks are to be left out. */
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

/** Whether nothing passes without the setting. Others that cannot be set stay as they are. */
function isEssential(path: string, tunnel: string): boolean {
  return path === FORWARD || path === SOURCE_MARK || path === `net/ipv4/conf/${tunnel}/forwarding`;
}

/**
 * Whether packets of established connections to the host itself skip the routing rules, in both families. Then a flushed
 * ruleset would not end them, since our rule would never see them.
 */
const EARLY_DEMUX = 'net/ipv4/ip_early_demux';

/** Whether the reverse path filter heeds a packet's mark: else our rule about unmarked packets would meet all of them. */
export const SOURCE_MARK = 'net/ipv4/conf/all/src_valid_mark';

/**
 * What turns round in the tunnel is no mistake of its sender, and telling it so would use up the kernel's allowance for
 * errors that matter. An interface sends redirects if it or `all` says so.
 */
function redirects(tunnel: string): string[] {
  return ['all', tunnel].map((name) => `net/ipv4/conf/${name}/send_redirects`);
}

/**
 * Forwarding for both families, no redirects, no early demultiplexing, and a reverse path filter on the tunnel that heeds
 * marks and is not strict: the kernel takes the higher number of `all` and the interface's, where 1 is strict and 2 is loose.
 * IPv6 forwarding is switched for all interfaces at once and stops a host from heeding router advertisements. Where the
 * kernel has `force_forwarding` (Linux 6.17), which does not, that is used, on every interface since it counts where a
 * packet comes in; else those that heeded advertisements are told to go on (`accept_ra` 2). `fixed`: settings that cannot
 * be written; only those without which nothing passes are wanted all the same.
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
  // It switches every interface.
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
    // Not `all`: writing that overwrites every interface's own value, which could not be restored.
    const paths = [...found.keys()].filter((path) => path.endsWith('/force_forwarding'));
    for (const path of paths) if (path !== `${V6}/all/force_forwarding`) want(path, '1');
    return changes;
  }
  for (const [path, value] of found) if (path.endsWith('/accept_ra') && value === '1') want(path, '2');
  want(`${V6}/all/forwarding`, '1');
  return changes;
}
