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

/** What was found: differences from the wanted state, and contests with the host's own network, in words too. */
export interface ClientLook {
  readonly differences: readonly string[];
  readonly conflicts: readonly string[];
  readonly contests: readonly RouteContest[];
}

/** Packets of routes, and who answered within the last minutes. */
export interface ClientTraffic {
  readonly counts: ReadonlyMap<string, PrefixCount>;
  readonly answering: readonly Answering[];
}

const noTraffic: ClientTraffic = { counts: new Map(), answering: [] };

/** What `ClientHost.up` changed, and what is still not as wanted. */
export interface ClientUpResult extends UpResult, ClientLook {}

/**
 * The network of a native device: link, addresses, the routing table and rules of its tunnel, settings, and a small
 * nftables table which sees to it that nothing comes in through the tunnel but answers, and nobody goes through the device.
 * Like `Host`: what is to be undone is known from the state and from what `keep` was given, so store both before `up`.
 * Nothing is undone by the end of the process: routes stay, and lead nowhere when the interface is gone.
 */
export class ClientHost {
  /** Text of the nftables table as we loaded it, and what the kernel listed then. */
  #loaded: { readonly text: string; readonly listing: string } | null = null;

  /** Checks what can be checked without changing anything. Throws `missing-tool`, `no-privilege`, `unsupported-kernel`. */
  async preflight(): Promise<void> {
    await checkTools();
    const overlay = { v4: '100.64.0.0/10', v6: 'fd00::/8' };
    const state = { interface: 'preflight', addresses: [], overlay, mtu: 1280, prefixes: [], mark: 1, table: 256 };
    await output('nft', ['--check', '-f', '-'], clientRuleset(state));
  }

  /**
   * Brings the host to the wanted state; does nothing where it is there already. The interface must exist. `keep` gets the
   * settings with their values from before, and nothing is changed until it has stored them. Throws HostNetError.
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

  /** One sentence for each thing that is not as wanted, and what of the host's own network is in the way as it is now. */
  async look(state: ClientHostState): Promise<ClientLook> {
    const { differences, conflicts, contests } = planClientUp(state, await find(state));
    const guarded = await this.#isLoaded(clientRuleset(state), state.interface);
    return { differences: [...(guarded ? [] : [PROTECTION]), ...differences], conflicts, contests };
  }

  /** Packets dropped since the table was loaded, by reason. */
  async drops(name: string): Promise<Readonly<Record<(typeof CLIENT_DROPS)[number], number>>> {
    const counts = new Map<unknown, unknown>();
    for (const { kind, body } of (await listTable(name)) ?? []) {
      if (kind === 'counter') counts.set(body.name, body.packets);
    }
    const entries = CLIENT_DROPS.map((reason) => [reason, Number(counts.get(`drop_${reason}`) ?? 0)]);
    return Object.fromEntries(entries);
  }

  /**
   * Packets of each prefix so far, and who answered. A packet counts for the longest prefix, also of those that are `apart`,
   * which count nothing. Other prefixes than before are counted from now on; then nothing is known yet. Throws HostNetError.
   */
  async traffic(name: string, prefixes: readonly string[], apart: readonly string[]): Promise<ClientTraffic> {
    // `list sets` of one table shows those of all tables in nft 1.0, however large.
    const result = await run('nft', ['-j', 'list', 'table', 'inet', tableName(name)]);
    if (result.code !== 0) return noTraffic;
    const plan = planCounts(prefixes, apart);
    const found = readTraffic(parseJson('nft', result.stdout));
    const counts = readCounts(plan, found.counts);
    if (counts === null) await output('nft', ['-f', '-'], countText(name, plan));
    return { counts: counts ?? new Map(), answering: found.answering };
  }

  /**
   * Calls `report` whenever something may have come to differ from the state, or its conflicts with the host's network to
   * change, from now until it is closed; also after our own changes.
   */
  watch(state: ClientHostState, report: () => void, failed: (error: unknown) => void): HostWatch {
    const reader = new MonitorReader(tableName(state.interface));
    const sources = [
      { tool: 'ip', args: MONITOR_ARGUMENTS, concerns: (line: string) => concernsClient(state, line) },
      { tool: 'nft', args: ['monitor'], concerns: (line: string) => reader.line(line)?.touched === true },
    ] as const;
    return watchHost(sources, report, failed);
  }

  /** Takes everything back and restores the given settings, after a crash too. What is gone already is no error. */
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

/** Everything of the table that does not change by itself; null if there is none. */
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
