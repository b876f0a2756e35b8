import { access, constants, readdir, readFile, writeFile } from 'node:fs/promises';
import { HostNetError } from '../errors.ts';
import type { FoundHost } from '../host/found.ts';
import type { HostPlan } from '../host/plan.ts';
import { planDown, planUp, ROUTE_PROTOCOL } from '../host/plan.ts';
import type { SysctlChange } from '../host/sysctls.ts';
import { sysctlPaths } from '../host/sysctls.ts';
import type { HostState } from '../types.ts';
import type { HostWatch } from './host-watch.ts';
import { watchHost } from './host-watch.ts';
import { readForeignRoutes, readInterface, readRoutes, readRules } from './ip-json.ts';
import { failure, output, parseJson, run } from './run.ts';

export interface UpResult {
  readonly changed: boolean;
  /** What was not as wanted before, and has been mended. */
  readonly differences: readonly string[];
  /** What cannot be mended: prefixes that the host's own network has too. `verify` goes on naming them. */
  readonly conflicts: readonly string[];
  /** Settings that were changed, with their values from before: to be kept for `down`. */
  readonly sysctls: readonly SysctlChange[];
}

export type KeepSysctls = (changes: readonly SysctlChange[]) => Promise<void>;

/** Link, addresses, routes, rules and sysctls of the network namespace of this process. */
export class Host {
  /** Checks what can be checked without changing anything. Throws `missing-tool` or `no-privilege`. */
  async preflight(): Promise<void> {
    await output('ip', ['-V']);
    await output('nft', ['--version']);
    const status = await readFile('/proc/self/status', 'utf8');
    const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
    if (((effective >> CAP_NET_ADMIN) & 1n) === 0n) {
      throw new HostNetError('no-privilege', 'the process may not change the network', ROOT_HINT);
    }
    const forwarding = (await readFile(`/proc/sys/${FORWARD}`, 'utf8')).trim();
    if (forwarding !== '1')
      await access(`/proc/sys/${FORWARD}`, constants.W_OK).catch((cause) => readOnly(FORWARD, cause));
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
    await apply(plan);
    const { differences, conflicts, sysctls } = plan;
    return { changed: differences.length > 0, differences, conflicts, sysctls };
  }

  /** One sentence for each thing that is not as wanted, conflicts with the host's own network among them. */
  async verify(state: HostState): Promise<readonly string[]> {
    const { differences, conflicts } = planUp(state, await this.#find(state));
    return [...differences, ...conflicts];
  }

  /** Calls `report` whenever something may have come to differ from the state, from now until it is closed. */
  watch(state: HostState, report: () => void): HostWatch {
    return watchHost(state, report);
  }

  /** Takes everything back that `up` did and restores the given settings. What is gone already is no error. */
  async down(state: HostState, sysctls: readonly SysctlChange[]): Promise<void> {
    const foreign = sysctls.find(({ path }) => !/^net\/ipv[46](\/[A-Za-z0-9_:@-][A-Za-z0-9_.:@-]*)+$/.test(path));
    if (foreign) throw new HostNetError('invalid-state', `not a network setting: ${JSON.stringify(foreign.path)}`);
    await apply(planDown(state, await this.#find(state)));
    for (const { path, before } of sysctls) {
      await writeFile(`/proc/sys/${path}`, before).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw readOnly(path, error);
      });
    }
  }

  async #find(state: HostState): Promise<FoundHost> {
    const ipv6 = await access('/proc/sys/net/ipv6').then(
      () => true,
      () => false,
    );
    const json = async (...args: string[]): Promise<unknown> => parseJson('ip', (await output('ip', args)) || '[]');
    const routes = async (family: string): Promise<unknown> =>
      json(family, '-j', 'route', 'show', 'table', 'main', 'proto', String(ROUTE_PROTOCOL));
    // Only to be compared with further routes, and it may be the whole internet's.
    const main = async (family: string): Promise<unknown> =>
      state.routes.length === 0 ? [] : json(family, '-j', 'route', 'show', 'table', 'main');
    const [device, rules4, rules6, routes4, routes6, main4, main6, sysctls] = await Promise.all([
      findInterface(state.interface),
      json('-4', '-j', 'rule', 'show'),
      ipv6 ? json('-6', '-j', 'rule', 'show') : [],
      routes('-4'),
      ipv6 ? routes('-6') : [],
      main('-4'),
      ipv6 ? main('-6') : [],
      findSysctls(state.interface),
    ]);
    return {
      ipv6,
      ...device,
      rules: { v4: readRules(rules4), v6: readRules(rules6) },
      routes: [...readRoutes(routes4, state.interface, 4), ...readRoutes(routes6, state.interface, 6)],
      foreign: [...readForeignRoutes(main4, 4), ...readForeignRoutes(main6, 6)],
      sysctls,
    };
  }
}

const CAP_NET_ADMIN = 12n;
const FORWARD = 'net/ipv4/ip_forward';
const ROOT_HINT = 'Run as root, or give the process CAP_NET_ADMIN.';

/** Settings first: IPv6 may be switched off on the interface, and then it takes no address. */
async function apply(plan: HostPlan): Promise<void> {
  for (const { path, value } of plan.sysctls) {
    await writeFile(`/proc/sys/${path}`, value).catch((error) => readOnly(path, error));
  }
  if (plan.ip4) await output('ip', ['-4', '-batch', '-'], plan.ip4);
  if (plan.ip6) await output('ip', ['-6', '-batch', '-'], plan.ip6);
}

async function findInterface(name: string): Promise<Pick<FoundHost, 'link' | 'addresses'>> {
  const result = await run('ip', ['-j', 'address', 'show', 'dev', name]);
  if (result.code === 0) return readInterface(parseJson('ip', result.stdout));
  if (/does not exist/.test(result.stderr)) return { link: null, addresses: [] };
  throw failure('ip', result);
}

async function findSysctls(tunnel: string): Promise<ReadonlyMap<string, string>> {
  const interfaces = await readdir('/proc/sys/net/ipv6/conf').catch(() => []);
  const values = await Promise.all(
    sysctlPaths(tunnel, interfaces).map(async (path): Promise<[string, string] | null> => {
      const value = await readFile(`/proc/sys/${path}`, 'utf8').catch(() => null);
      return value === null ? null : [path, value.trim()];
    }),
  );
  return new Map(values.filter((entry) => entry !== null));
}

function readOnly(path: string, cause: unknown): never {
  const setting = path.replaceAll('/', '.');
  const hint = `Make /proc/sys writable, or set it outside: sysctl -w ${setting} (for a container: --sysctl).`;
  throw new HostNetError('no-privilege', `cannot set ${setting}`, hint, { cause });
}
