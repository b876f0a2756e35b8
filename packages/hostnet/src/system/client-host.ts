import { type Answering, countText, type PrefixCount, planCounts, readCounts } from '../client/counts.ts';
import type { FoundClient } from '../client/found.ts';
import { concernsClient } from '../client/monitor.ts';
import { clientSysctlPaths, planClientDown, planClientUp } from '../client/plan.ts';
import { CLIENT_DROPS, clientRuleset } from '../client/ruleset.ts';
import { HostNetError } from '../errors.ts';
import { MonitorReader } from '../firewall/monitor.ts';
import { tableName } from '../firewall/ruleset.ts';
import { MONITOR_ARGUMENTS } from '../host/monitor.ts';
import type { SysctlChange } from '../host/sysctls.ts';
import type { ClientHostState, RouteContest } from '../types.ts';
import { readTraffic } from './count-json.ts';
import type { KeepSysctls, UpResult } from './host.ts';
import {
  applyPlan,
  checkSysctls,
  checkTools,
  findInterface,
  hasIpv6,
  ipJson,
  readSysctls,
  restoreSysctls,
} from './host-io.ts';
import { type HostWatch, watchHost } from './host-watch.ts';
import { countStrangers, hostRoutes, readClientLinks, readClientRules, readRoutes } from './ip-json.ts';
import { nftObjects } from './nft-json.ts';
import { failure, output, parseJson, run } from './run.ts';

const PROTECTION = 'the table that protects the device is not as loaded';

/** Differences from the wanted state, and conflicts with the host's own network, as data and as sentences. */
export interface ClientLook {
  readonly differences: readonly string[];
  readonly conflicts: readonly string[];
  readonly contests: readonly RouteContest[];
}

/** Packet counts of routes, and the addresses that answered within the last minutes. */
export interface ClientTraffic {
  readonly counts: ReadonlyMap<string, PrefixCount>;
  readonly answering: readonly Answering[];
}

const noTraffic: ClientTraffic = { counts: new Map(), answering: [] };

/** Changes that `ClientHost.up` made, and the remaining differences. */
export interface ClientUpResult extends UpResult, ClientLook {}

/**
 * Manages the network of a native device: link, addresses, the tunnel's routing table and rules, settings, and a small
 * nftables table. That table admits only answers from the tunnel, and lets no other host use the device as a router. As
 * with `Host`, the undo information is the state and the settings given to `keep`; store both before `up`. The end of
 * the process undoes nothing: routes stay, and lead nowhere once the interface is gone.
 */
export class ClientHost {
  /** Text of the nftables table as this object loaded it, and the kernel's listing after the load. */
  #loaded: { readonly text: string; readonly listing: string } | null = null;

  /** Checks requirements without changing anything. Throws `missing-tool`, `no-privilege`, `unsupported-kernel`. */
  async preflight(): Promise<void> {
    await checkTools();
    const overlay = { v4: '100.64.0.0/10', v6: 'fd00::/8' };
    const state = { interface: 'preflight', addresses: [], overlay, mtu: 1280, prefixes: [], mark: 1, table: 256 };
    await output('nft', ['--check', '-f', '-'], clientRuleset(state));
  }

  /**
   * Brings the host to the wanted state, and leaves correct state untouched. The interface must exist. `keep` receives
   * the settings with their previous values; nothing changes until it has stored them. Throws HostNetError.
   */
  async up(state: ClientHostState, keep: KeepSysctls = async () => {}): Promise<ClientUpResult> {
    const plan = planClientUp(state, await find(state));
    if (plan.differences.includes(`interface ${state.interface} does not exist`)) {
      throw new HostNetError('missing-interface', `interface ${state.interface} does not exist`);
    }
    if (plan.sysctls.length > 0) await keep(plan.sysctls);
    const text = clientRuleset(state);
    const guarded = await this.#isLoaded(text, state.interface);
    if (!guarded) await this.#load(text, state.interface);
    await applyPlan(plan);
    const differences = [...(guarded ? [] : [PROTECTION]), ...plan.differences];
    const { conflicts, contests, sysctls } = plan;
    return { changed: differences.length > 0, differences, conflicts, contests, sysctls };
  }

  /** Returns one sentence for each difference, and the current conflicts with the host's own network. */
  async look(state: ClientHostState): Promise<ClientLook> {
    const { differences, conflicts, contests } = planClientUp(state, await find(state));
    const guarded = await this.#isLoaded(clientRuleset(state), state.interface);
    return { differences: [...(guarded ? [] : [PROTECTION]), ...differences], conflicts, contests };
  }

  /** Returns packets dropped since the table was loaded, by reason. */
  async drops(name: string): Promise<Readonly<Record<(typeof CLIENT_DROPS)[number], number>>> {
    const counts = new Map<unknown, unknown>();
    for (const { kind, body } of (await listTable(name)) ?? []) {
      if (kind === 'counter') counts.set(body.name, body.packets);
    }
    const entries = CLIENT_DROPS.map((reason) => [reason, Number(counts.get(`drop_${reason}`) ?? 0)]);
    return Object.fromEntries(entries);
  }

  /**
   * Returns the packet counts of the prefixes, and the addresses that answered. A packet counts for the longest
   * matching prefix, even one of `apart`; counts of `apart` are not reported. When the prefixes differ from the last
   * call, counting starts at zero and nothing is known yet. Throws HostNetError.
   */
  async traffic(name: string, prefixes: readonly string[], apart: readonly string[]): Promise<ClientTraffic> {
    // In nft 1.0, `list sets` of one table lists the sets of all tables, however large.
    const result = await run('nft', ['-j', 'list', 'table', 'inet', tableName(name)]);
    if (result.code !== 0) return noTraffic;
    const plan = planCounts(prefixes, apart);
    const found = readTraffic(parseJson('nft', result.stdout));
    const counts = readCounts(plan, found.counts);
    if (counts === null) await output('nft', ['-f', '-'], countText(name, plan));
    return { counts: counts ?? new Map(), answering: found.answering };
  }

  /**
   * Calls `report` when the host may differ from the state, or conflicts with its network may have changed. Our own
   * changes are reported too. Reports end with `close`.
   */
  watch(state: ClientHostState, report: () => void, failed: (error: unknown) => void): HostWatch {
    const reader = new MonitorReader(tableName(state.interface));
    const sources = [
      { tool: 'ip', args: MONITOR_ARGUMENTS, concerns: (line: string) => concernsClient(state, line) },
      { tool: 'nft', args: ['monitor'], concerns: (line: string) => reader.line(line)?.touched === true },
    ] as const;
    return watchHost(sources, report, failed);
  }

  /** Undoes everything and restores the given settings, even after a crash. Missing parts are no error. */
  async down(state: ClientHostState, sysctls: readonly SysctlChange[]): Promise<void> {
    checkSysctls(sysctls);
    await applyPlan(planClientDown(state, await find(state)));
    await restoreSysctls(sysctls);
    const table = `inet ${tableName(state.interface)}`;
    this.#loaded = null;
    await output('nft', ['-f', '-'], `add table ${table}\ndelete table ${table}\n`);
  }

  async #isLoaded(text: string, name: string): Promise<boolean> {
    if (this.#loaded?.text !== text) return false;
    return (await listRules(name)) === this.#loaded.listing;
  }

  async #load(text: string, name: string): Promise<void> {
    this.#loaded = null;
    await output('nft', ['-f', '-'], text);
    this.#loaded = { text, listing: (await listRules(name)) ?? '' };
  }
}

async function find(state: ClientHostState): Promise<FoundClient> {
  const ipv6 = await hasIpv6();
  const table = (family: string, name: string): Promise<unknown> =>
    ipv6 || family === '-4' ? ipJson(family, '-j', 'route', 'show', 'table', name) : Promise.resolve([]);
  const [device, links, rules4, rules6, own4, own6, main4, main6, sysctls] = await Promise.all([
    findInterface(state.interface),
    ipJson('-j', '-d', 'address', 'show').then((answer) => readClientLinks(answer, state.interface)),
    ipJson('-4', '-j', 'rule', 'show'),
    ipv6 ? ipJson('-6', '-j', 'rule', 'show') : [],
    table('-4', String(state.table)),
    table('-6', String(state.table)),
    table('-4', 'main'),
    table('-6', 'main'),
    readSysctls(clientSysctlPaths(state.interface)),
  ]);
  return {
    ipv6,
    ...device,
    routes: [...readRoutes(own4, state.interface, 4, null), ...readRoutes(own6, state.interface, 6, null)],
    strangers: countStrangers(own4) + countStrangers(own6),
    foreign: [...hostRoutes(main4, 4, links), ...hostRoutes(main6, 6, links)],
    own: links.own,
    rules: { v4: readClientRules(rules4), v6: readClientRules(rules6) },
    sysctls,
  };
}

/** Returns everything in the table that does not change by itself; null without a table. */
async function listRules(name: string): Promise<string | null> {
  const objects = await listTable(name);
  if (objects === null) return null;
  const fixed = objects.filter(({ kind }) => kind === 'chain' || kind === 'rule');
  return JSON.stringify(fixed.map(({ body }) => ({ ...body, handle: null })));
}

async function listTable(name: string): Promise<ReturnType<typeof nftObjects> | null> {
  const result = await run('nft', ['-j', 'list', 'table', 'inet', tableName(name)]);
  if (result.code === 0) return nftObjects(parseJson('nft', result.stdout));
  if (/No such file or directory/.test(result.stderr)) return null;
  throw failure('nft', result);
}
