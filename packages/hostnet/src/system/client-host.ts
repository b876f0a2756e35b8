import { type Answering, countText, type PrefixCount, planCounts, readCounts } from '../client/counts.ts';
import type { FoundClient } from '../client/found.ts';
import { clientSysctlPaths, planClientDown, planClientUp } from '../client/plan.ts';
import { CLIENT_DROPS, clientRuleset } from '../client/ruleset.ts';
import { HostNetError } from '../errors.ts';
import { tableName } from '../firewall/ruleset.ts';
import type { HostPlan } from '../host/batch.ts';
import type { SysctlChange } from '../host/sysctls.ts';
import type { ClientHostState, RouteContest } from '../types.ts';
import { ClientMemory } from './client-memory.ts';
import { readTraffic } from './count-json.ts';
import type { KeepSysctls, UpResult } from './host.ts';
import {
  applyPlan,
  checkSysctls,
  checkTools,
  hasIpv6,
  ipAnswers,
  ipJson,
  readSysctls,
  restoreSysctls,
} from './host-io.ts';
import type { HostWatch } from './host-watch.ts';
import {
  countStrangers,
  findInterfaceIn,
  hostRoutes,
  readClientLinks,
  readClientRules,
  readRoutes,
} from './ip-json.ts';
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
export interface ClientUpResult extends UpResult, ClientLook {
  /** Whether the kernel has confirmed that nothing differs now, so that no `look` is needed. */
  readonly confirmed: boolean;
}

/**
 * Manages the network of a native device: link, addresses, the tunnel's routing table and rules, settings, and a small
 * nftables table. That table admits only answers from the tunnel, and lets no other host use the device as a router. As
 * with `Host`, the undo information is the state and the settings given to `keep`; store both before `up`. The end of
 * the process undoes nothing: routes stay, and lead nowhere once the interface is gone.
 */
export class ClientHost {
  readonly #memory = new ClientMemory();
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
    const plan = planClientUp(state, await this.#memory.read(() => find(state)));
    if (plan.differences.includes(`interface ${state.interface} does not exist`)) {
      throw new HostNetError('missing-interface', `interface ${state.interface} does not exist`);
    }
    if (plan.sysctls.length > 0) await keep(plan.sysctls);
    const text = clientRuleset(state);
    const guarded = await this.#isLoaded(text, state.interface);
    // The listing takes longer than the routes, which need not wait for it.
    const loaded = guarded ? null : await this.#load(text, state.interface);
    const [confirmed] = await Promise.all([this.#apply(plan, state), loaded?.listed]);
    const differences = [...(guarded ? [] : [PROTECTION]), ...plan.differences];
    const { conflicts, contests, sysctls } = plan;
    return { changed: differences.length > 0, differences, conflicts, contests, sysctls, confirmed };
  }

  /**
   * Does the same as `up`, from memory. That starts no program while a watch runs and only we change the host. In
   * doubt it does what `up` does.
   */
  async change(state: ClientHostState, keep: KeepSysctls = async () => {}): Promise<ClientUpResult> {
    const known = this.#memory.found;
    if (known === null || this.#loaded?.text !== clientRuleset(state)) return this.up(state, keep);
    const sysctls = await readSysctls(clientSysctlPaths(state.interface));
    const { differences, conflicts, contests, ...plan } = planClientUp(state, { ...known, sysctls });
    if (plan.sysctls.length > 0) return this.up(state, keep);
    const outcome = await this.#memory.write(plan, state);
    if (outcome !== 'confirmed') return this.up(state, keep);
    return { changed: differences.length > 0, differences, conflicts, contests, sysctls: [], confirmed: true };
  }

  /** Returns one sentence for each difference, and the current conflicts with the host's own network. */
  async look(state: ClientHostState): Promise<ClientLook> {
    const found = await this.#memory.read(() => find(state));
    const { differences, conflicts, contests } = planClientUp(state, found);
    const guarded = await this.#isLoaded(clientRuleset(state), state.interface);
    if (!guarded) this.#memory.doubt();
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
    if (counts === null) await this.#transact(countText(name, plan));
    return { counts: counts ?? new Map(), answering: found.answering };
  }

  /**
   * Calls `report` when the host may differ from the state, or conflicts with its network may have changed. Reports
   * end with `close`. To follow another state without a gap, open its watch before you close the old one.
   */
  watch(state: ClientHostState, report: () => void, failed: (error: unknown) => void): HostWatch {
    return this.#memory.watch(state, report, failed);
  }

  /** Undoes everything and restores the given settings, even after a crash. Missing parts are no error. */
  async down(state: ClientHostState, sysctls: readonly SysctlChange[]): Promise<void> {
    checkSysctls(sysctls);
    this.#memory.doubt();
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

  /** Loads the table. `listed` resolves when the kernel's listing of it is known. */
  async #load(text: string, name: string): Promise<{ readonly listed: Promise<void> }> {
    this.#loaded = null;
    await this.#transact(text);
    const listed = listRules(name).then((listing) => {
      this.#loaded = { text, listing: listing ?? '' };
    });
    return { listed };
  }

  /** Carries out a plan. Returns whether the kernel has confirmed that nothing differs now. */
  async #apply(plan: HostPlan, state: ClientHostState): Promise<boolean> {
    const outcome = plan.sysctls.length > 0 ? 'impossible' : await this.#memory.write(plan, state);
    if (outcome === 'confirmed') return true;
    // Parts of the plan may be in force.
    await applyPlan(outcome === 'doubtful' ? planClientUp(state, await find(state)) : plan);
    return false;
  }

  /** Runs a transaction, which the watch then does not take for one of another program. */
  async #transact(text: string): Promise<void> {
    const own = this.#memory.expectOwn();
    const result = await run('nft', ['-f', '-'], text, (pid) => own?.startedAs(pid));
    own?.ended(result.code === 0);
    if (result.code !== 0) throw failure('nft', result);
  }
}

async function find(state: ClientHostState): Promise<FoundClient> {
  const ipv6 = await hasIpv6();
  const commands = ['rule show', `route show table ${state.table}`, 'route show table main'];
  const [addresses, [rules4, own4, main4], [rules6, own6, main6], sysctls] = await Promise.all([
    ipJson('-j', '-d', 'address', 'show'),
    ipAnswers('-4', commands),
    ipv6 ? ipAnswers('-6', commands) : [[], [], []],
    readSysctls(clientSysctlPaths(state.interface)),
  ]);
  const links = readClientLinks(addresses, state.interface);
  return {
    ipv6,
    ...findInterfaceIn(addresses, state.interface),
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
