import { access, constants, readFile, writeFile } from 'node:fs/promises';
import { HostNetError } from '../errors.ts';
import type { HostPlan } from '../host/batch.ts';
import type { FoundHost } from '../host/found.ts';
import type { SysctlChange } from '../host/sysctls.ts';
import { readInterface } from './ip-json.ts';
import { failure, output, parseJson, run } from './run.ts';

const CAP_NET_ADMIN = 12n;
const ROOT_HINT = 'Run as root, or give the process CAP_NET_ADMIN.';

/** Checks the tools and the privilege of the process. Throws `missing-tool` or `no-privilege`. */
export async function checkTools(): Promise<void> {
  await output('ip', ['-V']);
  await output('nft', ['--version']);
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  if (((effective >> CAP_NET_ADMIN) & 1n) === 0n) {
    throw new HostNetError('no-privilege', 'the process may not change the network', ROOT_HINT);
  }
}

/** Writes settings first: an interface on which IPv6 is disabled accepts no IPv6 address. */
export async function applyPlan(plan: HostPlan): Promise<void> {
  for (const { path, value } of plan.sysctls) {
    await writeFile(`/proc/sys/${path}`, value).catch((error) => readOnly(path, value, error));
  }
  if (plan.ip4) await output('ip', ['-4', '-batch', '-'], plan.ip4);
  if (plan.ip6) await output('ip', ['-6', '-batch', '-'], plan.ip6);
}

/**
 * Restores settings. Settings of missing interfaces are no error. Throws `invalid-state` on a path that is no network
 * setting.
 */
export async function restoreSysctls(sysctls: readonly SysctlChange[]): Promise<void> {
  checkSysctls(sysctls);
  for (const { path, before } of sysctls) {
    await writeFile(`/proc/sys/${path}`, before).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw readOnly(path, before, error);
    });
  }
}

/** Checks stored settings, because other programs may have changed them. Throws `invalid-state`. */
export function checkSysctls(sysctls: readonly SysctlChange[]): void {
  const foreign = sysctls.find(({ path }) => !/^net\/ipv[46](\/[A-Za-z0-9_:@-][A-Za-z0-9_.:@-]*)+$/.test(path));
  if (foreign) throw new HostNetError('invalid-state', `not a network setting: ${JSON.stringify(foreign.path)}`);
}

/** Returns the answer of `ip -j`. An empty answer, or an unused routing table, is an empty list. */
export async function ipJson(...args: string[]): Promise<unknown> {
  const result = await run('ip', args);
  if (result.code === 0) return parseJson('ip', result.stdout || '[]');
  if (/FIB table does not exist/.test(result.stderr)) return [];
  throw failure('ip', result);
}

/**
 * Returns the answers of several `ip -j` of one family, in their order, from one program: starting a program costs far
 * more than an answer.
 */
export async function ipAnswers(family: '-4' | '-6', commands: readonly string[]): Promise<unknown[]> {
  const script = commands.map((command) => `${command}\n`).join('');
  const { code, stdout } = await run('ip', [family, '-j', '-force', '-batch', '-'], script);
  const lines = stdout.split('\n').filter((line) => line.trim() !== '');
  if (code === 0 && lines.length === commands.length) return lines.map((line) => parseJson('ip', line));
  // A command failed, or has no table to show. Asked alone, each says which.
  return Promise.all(commands.map((command) => ipJson(family, '-j', ...command.split(' '))));
}

/** Finds an interface and its addresses. `link` is null when the interface does not exist. */
export async function findInterface(name: string): Promise<Pick<FoundHost, 'link' | 'addresses'>> {
  const result = await run('ip', ['-j', 'address', 'show', 'dev', name]);
  if (result.code === 0) return readInterface(parseJson('ip', result.stdout));
  if (/does not exist/.test(result.stderr)) return { link: null, addresses: [] };
  throw failure('ip', result);
}

/** Returns whether the kernel has IPv6. */
export function hasIpv6(): Promise<boolean> {
  return access('/proc/sys/net/ipv6').then(
    () => true,
    () => false,
  );
}

/** Reads the settings that the kernel has. */
export async function readSysctls(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const values = await Promise.all(
    paths.map(async (path): Promise<[string, string] | null> => {
      const value = await readFile(`/proc/sys/${path}`, 'utf8').catch(() => null);
      return value === null ? null : [path, value.trim()];
    }),
  );
  return new Map(values.filter((entry) => entry !== null));
}

/** Throws `no-privilege`, with the fix as its hint, because a setting is not writable. */
export function readOnly(path: string, value: string, cause: unknown): never {
  const setting = path.replaceAll('/', '.');
  // A container gets its settings before the tunnel interface exists.
  const outside = setting.replace(/^(net\.ipv[46]\.conf)\.(?!all\.|default\.).+\.(\w+)$/, '$1.default.$2');
  const hint = `Make /proc/sys writable, or set it from outside: sysctl -w ${setting}=${value} (for a container: --sysctl ${outside}=${value}).`;
  throw new HostNetError('no-privilege', `cannot set ${setting}`, hint, { cause });
}

/** Returns the settings that are not writable. */
export async function fixedSysctls(paths: readonly string[]): Promise<ReadonlySet<string>> {
  const fixed = await Promise.all(
    paths.map((path) =>
      access(`/proc/sys/${path}`, constants.W_OK).then(
        () => false,
        () => true,
      ),
    ),
  );
  return new Set(paths.filter((_, i) => fixed[i]));
}
