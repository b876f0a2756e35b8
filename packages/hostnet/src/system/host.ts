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

/** What `Host.up` changed, and what is still not as wanted. */
export interface UpResult {
  readonly changed: boolean;
  /** What was not as wanted before, and has been mended. */
  readonly differences: readonly string[];
  /** What cannot be mended: prefixes that the host's own network has too. `verify` goes on naming them. */
  readonly conflicts: readonly string[];
  /** Settings that were changed, with their values from before: to be kept for `down`. */
  readonly sysctls: readonly SysctlChange[];
}

/** Stores the former values of kernel settings before they are changed. */
export type KeepSysctls = (changes: readonly SysctlChange[]) => Promise<void>;

/** Link, addresses, routes, rules and sysctls of the network namespace of this process. */
export class Host {
  /** Checks what can be checked without changing anything. Throws `missing-tool` or `no-privilege`. */
  async preflight(): Promise<void> {
    await checkTools();
    const forwarding = (await readFile(`/proc/sys/${FORWARD}`, 'utf8')).trim();
    if (forwarding !== '1')
      await access(`/proc/sys/${FORWARD}`, constants.W_OK).catch((cause) => readOnly(FORWARD, '1', cause));
  }

  /**
   * Brings the host to the wanted state; does nothing where it is there already. The interface must exist, and the
   * firewall must be loaded. `keep` gets the settings with their values from before, and nothing is changed until it has
   * stored them, so that they can be restored even if this fails half-way. Throws HostNetError.
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
   * Where packets of others may pass, once `up` was or will be called, and which networks are right at this host.
   * `changed`: settings that we have changed before, with their values from before.
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

  /** One sentence for each thing that is not as wanted, conflicts with the host's own network among them. */
  async verify(state: HostState): Promise<readonly string[]> {
    const { differences, conflicts, clashes } = planUp(state, await this.#find(state));
    return [...clashes, ...differences, ...conflicts];
  }

  /** Calls `report` whenever something may have come to differ from the state, from now until it is closed. */
  watch(state: HostState, report: () => void, failed: (error: unknown) => void): HostWatch {
    return watchHost(
      [{ tool: 'ip', args: MONITOR_ARGUMENTS, concerns: (line) => concernsHost(state, line) }],
      report,
      failed,
    );
  }

  /** Takes everything back that `up` did and restores the given settings. What is gone already is no error. */
  async down(state: HostState, sysctls: readonly SysctlChange[]): Promise<void> {
    checkSysctls(sysctls);
    await applyPlan(planDown(state, await this.#find(state)));
    await restoreSysctls(sysctls);
  }

  async #find(state: HostState): Promise<FoundHost> {
    const { sysctls, fixed } = await findSysctls(state.interface);
    const ipv6 = (await hasIpv6()) && !fixed.has(`net/ipv6/conf/${state.interface}/disable_ipv6`);
    const routes = async (family: string): Promise<unknown> =>
      ipJson(family, '-j', 'route', 'show', 'table', 'all', 'proto', String(ROUTE_PROTOCOL));
    // Only to be compared with further routes, and it may be the whole internet's.
    const main = async (family: string): Promise<unknown> =>
      state.routes.length === 0 ? [] : ipJson(family, '-j', 'route', 'show', 'table', 'main');
    const [around, resolvers] = await Promise.all([readAround(state, ipv6), readResolvers()]);
    const [device, rules4, rules6, routes4, routes6, main4, main6] = await Promise.all([
      findInterface(state.interface),
      ipJson('-4', '-j', 'rule', 'show'),
      ipv6 ? ipJson('-6', '-j', 'rule', 'show') : [],
      routes('-4'),
      ipv6 ? routes('-6') : [],
      main('-4'),
      ipv6 ? main('-6') : [],
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

/** The table may be the whole internet's, so only routes are asked for that can be without a router. */
async function findNear(tunnel: string): Promise<string[]> {
  const connected6 = (await hasIpv6()) ? ['kernel', 'ra', 'boot', 'static'] : [];
  const [addresses, routes4, ...routes6] = await Promise.all([
    ipJson('-j', 'address', 'show'),
    ipJson('-4', '-j', 'route', 'show', 'table', 'main', 'scope', 'link'),
    ...connected6.map((protocol) => ipJson('-6', '-j', 'route', 'show', 'table', 'main', 'proto', protocol)),
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
