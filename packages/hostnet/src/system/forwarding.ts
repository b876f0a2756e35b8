import { readSysctls } from './host-io.ts';
import { isObject } from './nft-json.ts';
import { parseJson, run } from './run.ts';

/**
 * Returns a command that enables forwarding between the tunnel and the interface that leads to an address. Null:
 * forwarding is enabled, or the address is unreachable or belongs to this host.
 */
export async function forwardingFix(tunnel: string, address: string): Promise<string | null> {
  const device = await deviceTowards(address);
  if (device === null || device === 'lo') return null;
  const [path] = await (address.includes(':') ? closed6 : closed4)([tunnel, device]);
  return path === undefined ? null : `sysctl -w ${path.replaceAll('/', '.')}=1`;
}

/** Returns the disabled settings of IPv4. The kernel checks the setting of the receiving interface. */
async function closed4(interfaces: readonly string[]): Promise<string[]> {
  const paths = interfaces.map((name) => `net/ipv4/conf/${name}/forwarding`);
  const found = await readSysctls(paths);
  return paths.filter((path) => found.get(path) === '0');
}

/** Returns the disabled settings of IPv6. Since Linux 6.17 the kernel also checks a setting of the interface. */
async function closed6(interfaces: readonly string[]): Promise<string[]> {
  const all = 'net/ipv6/conf/all/forwarding';
  const own = interfaces.map((name) => `net/ipv6/conf/${name}/force_forwarding`);
  const found = await readSysctls([all, ...own]);
  if (found.get(all) === '1') return [];
  const closed = own.filter((path) => found.get(path) === '0');
  return own.some((path) => found.has(path)) ? closed : [all];
}

async function deviceTowards(address: string): Promise<string | null> {
  const { code, stdout } = await run('ip', ['-j', 'route', 'get', address]);
  const [route] = code === 0 ? ((parseJson('ip', stdout) as unknown[]) ?? []) : [];
  return isObject(route) && typeof route.dev === 'string' ? route.dev : null;
}
