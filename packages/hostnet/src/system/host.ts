import { access, constants, readdir, readFile } from 'node:fs/promises';
import { HostNetError } from '../errors.ts';
import { ROUTE_PROTOCOL } from '../host/batch.ts';
import { CLASH_HINT } from '../host/clash.ts';
import type { FoundHost, FoundRoute } from '../host/found.ts';
import { concernsHost, MONITOR_ARGUMENTS } from '../host/monitor.ts';
import { nearbyPrefixes } from '../host/nearby.ts';
import { planDown, planUp } from '../host/plan.ts';
import type { SysctlChange } from '../host/sysctls.ts';
import { FORWARD, planSysctls, sysctlPaths } from '../host/sysctls.ts';
import { planTransit } from '../host/transit.ts';
import { wayTables } from '../host/ways.ts';
import type { HostFacts, HostState } from '../types.ts';
import { readAround, readResolvers } from './around.ts';
import {
  applyPlan,
  checkSysctls,
  checkTools,
  findInterface,
  fixedSysctls,
  hasIpv6,
  ipAnswers,
  ipJson,
  readOnly,
  readSysctls,
  restoreSysctls,
} from './host-io.ts';
import type { HostWatch } from './host-watch.ts';
import { watchHost } from './host-watch.ts';
import {
  readConnectedAddresses,
  readConnectedRoutes,
  readForeignRoutes,
  readLinks,
  readRoutes,
  readRules,
  readWayRules,
} from './ip-json.ts';

/** Changes that `Host.up` made, and the remaining differences. */
export interface UpResult {
  readonly changed: boolean;
  /** Differences that were found and repaired. */
  readonly differences: readonly string[];
  /** Conflicts with the host's own network, which `up` cannot repair. `verify` continues to report them. */
  readonly conflicts: readonly string[];
  /** Changed settings with their previous values. The caller keeps them for `down`. */
  readonly sysctls: readonly SysctlChange[];
}

/** Stores the previous values of kernel settings before they change. */
export type KeepSysctls = (changes: readonly SysctlChange[]) => Promise<void>;

/** Manages link, addresses, routes, rules and sysctls in the network namespace of this process. */
export class Host {
  /** Checks requirements without changing anything. Throws `missing-tool` or `no-privilege`. */
  async preflight(): Promise<void> {
    await checkTools();
    const forwarding = (await readFile(`/proc/sys/${FORWARD}`, 'utf8')).trim();
    if (forwarding !== '1')
      await access(`/proc/sys/${FORWARD}`, constants.W_OK).catch((cause) => readOnly(FORWARD, '1', cause));
  }

  /**
   * Brings the host to the wanted state, and leaves correct state untouched. The interface must exist, and the firewall
   * must be loaded. `keep` receives the settings with their previous values. Nothing changes until it has stored them,
   * so they can be restored even after a partial failure. Throws HostNetError.
   */
  async up(state: HostState, keep: KeepSysctls = async () => {}): Promise<UpResult> {
    const found = await this.#find(state);
    const plan = planUp(state, found);
    if (!found.link) {
      throw new HostNetError('missing-interface', `interface ${state.interface} does not exist`);
    }
    if (plan.sysctls.length > 0) await keep(plan.sysctls);
    await applyPlan(plan);
    if (plan.clashes.length > 0)
      throw new HostNetError('address-clash', `the tunnel is closed: ${plan.clashes.join('; ')}`, CLASH_HINT);
    const { differences, conflicts, sysctls } = plan;
    return { changed: differences.length > 0, differences, conflicts, sysctls };
  }

  /**
   * Returns where foreign packets may pass after `up`, and the networks directly connected to this host. `changed`
   * lists the settings changed earlier, with their previous values.
   */
  async facts(tunnel: string, changed: readonly SysctlChange[]): Promise<HostFacts> {
    const [{ sysctls, fixed }, links, near] = await Promise.all([
      findSysctls(tunnel),
      ipJson('-j', '-d', 'link', 'show'),
      findNear(tunnel),
    ]);
    const pending = planSysctls(tunnel, sysctls, fixed);
    return { transit: planTransit(tunnel, [...changed, ...pending], readLinks(links)), near };
  }

  /** Returns one sentence for each difference, including conflicts with the host's own network. */
  async verify(state: HostState): Promise<readonly string[]> {
    const { differences, conflicts, clashes } = planUp(state, await this.#find(state));
    return [...clashes, ...differences, ...conflicts];
  }

  /** Calls `report` when the host may differ from the state, until `close`. */
  watch(state: HostState, report: () => void, failed: (error: unknown) => void): HostWatch {
    return watchHost(
      [{ tool: 'ip', args: MONITOR_ARGUMENTS, concerns: (line) => concernsHost(state, line) }],
      report,
      failed,
    );
  }

  /** Undoes everything that `up` did, and restores the given settings. Missing parts are no error. */
  async down(state: HostState, sysctls: readonly SysctlChange[]): Promise<void> {
    checkSysctls(sysctls);
    await applyPlan(planDown(state, await this.#find(state)));
    await restoreSysctls(sysctls);
  }

  async #find(state: HostState): Promise<FoundHost> {
    const { sysctls, fixed } = await findSysctls(state.interface);
    const ipv6 = (await hasIpv6()) && !fixed.has(`net/ipv6/conf/${state.interface}/disable_ipv6`);
    const commands = ['rule show', `route show table all proto ${ROUTE_PROTOCOL}`];
    // This listing may hold a full internet routing table. It is needed only to find conflicts with further routes.
    if (state.routes.length > 0) commands.push('route show table main');
    const [around, resolvers] = await Promise.all([readAround(state, ipv6), readResolvers()]);
    const [device, [rules4, routes4, main4 = []], [rules6, routes6, main6 = []]] = await Promise.all([
      findInterface(state.interface),
      ipAnswers('-4', commands),
      ipv6 ? ipAnswers('-6', commands) : [[], [], []],
    ]);
    const tables = wayTables(state.interface);
    const ours = (table: number | null): FoundRoute[] => [
      ...readRoutes(routes4, state.interface, 4, table),
      ...readRoutes(routes6, state.interface, 6, table),
    ];
    return {
      ipv6,
      ...device,
      rules: { v4: readRules(rules4), v6: readRules(rules6) },
      routes: ours(null),
      ways: { away: ours(tables.away), onward: ours(tables.onward) },
      wayRules: { v4: readWayRules(rules4), v6: readWayRules(rules6) },
      foreign: [...readForeignRoutes(main4, 4), ...readForeignRoutes(main6, 6)],
      around,
      resolvers,
      sysctls,
      fixed,
    };
  }
}

/** The main table may hold the full internet routing table, so this asks only for routes that may have no router. */
async function findNear(tunnel: string): Promise<string[]> {
  const connected6 = ['kernel', 'ra', 'boot', 'static'].map((protocol) => `route show table main proto ${protocol}`);
  const [addresses, routes4, routes6] = await Promise.all([
    ipJson('-j', 'address', 'show'),
    ipJson('-4', '-j', 'route', 'show', 'table', 'main', 'scope', 'link'),
    (await hasIpv6()) ? ipAnswers('-6', connected6) : [],
  ]);
  return nearbyPrefixes(tunnel, [
    ...readConnectedAddresses(addresses),
    ...readConnectedRoutes(routes4, 4),
    ...routes6.flatMap((answer) => readConnectedRoutes(answer, 6)),
  ]);
}

async function findSysctls(tunnel: string): Promise<Required<Pick<FoundHost, 'sysctls' | 'fixed'>>> {
  const interfaces = await readdir('/proc/sys/net/ipv6/conf').catch(() => []);
  const sysctls = await readSysctls(sysctlPaths(tunnel, interfaces));
  const fixed = await fixedSysctls(planSysctls(tunnel, sysctls).map(({ path }) => path));
  return { sysctls, fixed };
}
