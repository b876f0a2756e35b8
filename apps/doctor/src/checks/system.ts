import { WireGuardError } from '@sallyport/wireguard';
import { ok, problem, skipped, warning } from '../findings.ts';
import type { Check, Finding, Place, Probe, Role } from '../types.ts';

const tunnels: readonly Role[] = ['gateway', 'device'];

/** Checks of kernel, programs, disk and files. */
export const systemChecks: readonly Check[] = [
  { id: 'kernel', title: 'Kernel', run: async (probe) => kernel(probe.kernel()) },
  { id: 'wireguard', title: 'WireGuard', roles: tunnels, beforehand: true, run: wireguard },
  { id: 'tools', title: 'Programs', roles: tunnels, beforehand: true, run: tools },
  { id: 'nftables', title: 'nftables', roles: tunnels, beforehand: true, run: nftables },
  { id: 'foreign-rules', title: 'Rules of other programs', roles: ['gateway'], run: foreignRules },
  { id: 'units', title: 'Services', run: units },
  { id: 'disk', title: 'Disk', run: disk },
  { id: 'files', title: 'Permissions of keys', run: files },
];

/** WireGuard is in the kernel since 5.6; the rules need sets with timeouts and counters of about that time. */
function kernel(release: string): Finding {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
  if (major > 5 || (major === 5 && minor >= 6)) return ok(`Linux ${release}`);
  const text = `Linux ${release} is older than 5.6. It has no WireGuard of its own, and may not take every firewall rule.`;
  return warning(text, 'Upgrade the kernel with your distribution.');
}

async function wireguard(probe: Probe): Promise<Finding> {
  if (!probe.isRoot) return skipped('needs root: sudo sally doctor');
  try {
    const { kind, slow } = await probe.backend();
    if (kind === 'kernel') return ok('the kernel has WireGuard');
    if (slow === null) return ok('the kernel has no WireGuard, so wireguard-go carries the tunnel');
    return warning(
      `wireguard-go carries the tunnel, and is slow. ${slow}.`,
      'Install the newer build, or use a kernel with WireGuard.',
    );
  } catch (error) {
    if (!(error instanceof WireGuardError)) throw error;
    const { message, hint } = error;
    const cause = hint === null ? message : message.replace(`: ${hint}`, '');
    return problem(`No tunnel can be made: ${cause}.`, sentence(hint ?? 'see docs/paths.md'));
  }
}

async function tools(probe: Probe): Promise<Finding> {
  const wanted = { ip: ['-V'], nft: ['--version'], wg: ['--version'] };
  const missing: string[] = [];
  for (const [tool, args] of Object.entries(wanted)) if ((await probe.output(tool, args)) === null) missing.push(tool);
  if (missing.length === 0) return ok('ip, nft and wg are installed');
  const names = { ip: 'iproute2', nft: 'nftables', wg: 'wireguard-tools' };
  const packages = missing.map((tool) => names[tool as keyof typeof names]).join(' ');
  return problem(`These programs are missing: ${missing.join(', ')}.`, `Install (names of Debian): ${packages}`);
}

async function nftables(probe: Probe): Promise<Finding> {
  if (!probe.isRoot) return skipped('needs root: sudo sally doctor');
  if ((await probe.output('nft', ['list', 'tables'])) !== null) return ok('the kernel answers nft');
  return problem(
    'nft cannot talk to the kernel, so no access can be enforced.',
    'Load the module (modprobe nf_tables). In a container, give it the right NET_ADMIN.',
  );
}

async function foreignRules(probe: Probe, { tunnel }: Place): Promise<readonly Finding[]> {
  if (!probe.isRoot) return [skipped('needs root: sudo sally doctor')];
  const drops = await probe.foreignDrops(tunnel).catch(() => null);
  if (drops === null) return [skipped('the rules of this host cannot be read')];
  if (drops.length === 0) return [ok('no rules of other programs drop traffic of the tunnel')];
  return drops.map(({ text, fix }) => problem(text, `Let it pass: ${fix}`));
}

/** A unit in /etc wins over the one of the package, and stays as it is in an upgrade. */
async function units(probe: Probe): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const role of ['controller', 'gateway', 'client']) {
    const own = `/etc/systemd/system/sallyport-${role}.service`;
    const packaged = `/usr/lib/systemd/system/sallyport-${role}.service`;
    if ((await probe.stats(own)) === null || (await probe.stats(packaged)) === null) continue;
    findings.push(
      warning(`${own} hides the unit of the package, ${packaged}.`, `Remove it, or move changes to ${own}.d/`),
    );
  }
  return findings.length === 0 ? [ok('no unit hides one of the package')] : findings;
}

const littleBytes = 100e6;
const lowBytes = 1e9;

async function disk(probe: Probe, place: Place): Promise<readonly Finding[]> {
  const folders = { controller: place.dataDir, gateway: place.gatewayDir, device: place.clientDir };
  const findings: Finding[] = [];
  for (const role of place.roles) {
    const folder = folders[role];
    const space = await probe.space(folder);
    if (space === null) continue;
    const free = `${Math.round(space.bytes / 1e6)} MB`;
    if (space.bytes < littleBytes || space.files === 0)
      findings.push(
        problem(
          `The disk of ${folder} is full: ${free} and ${space.files} files are free.`,
          'Free space. New state cannot be stored until then.',
        ),
      );
    else if (space.bytes < lowBytes)
      findings.push(warning(`The disk of ${folder} has only ${free} free.`, 'Free space soon.'));
    else findings.push(ok(`${folder}: ${free} free`));
  }
  return findings.length === 0 ? [skipped('there is no state here yet')] : findings;
}

async function files(probe: Probe, place: Place): Promise<readonly Finding[]> {
  const secrets = [
    '/etc/sallyport/gateway.token',
    `${place.dataDir}/master.key`,
    ...[place.gatewayDir, place.clientDir].map((folder) => `${folder}/identity.json`),
  ];
  const findings: Finding[] = [];
  for (const path of secrets) {
    const stats = await probe.stats(path);
    if (stats === null || (stats.mode & 0o077) === 0) continue;
    findings.push(
      problem(
        `Others can read ${path} (mode ${(stats.mode & 0o777).toString(8)}).`,
        `chmod 600 ${path}, and renew what it holds.`,
      ),
    );
  }
  return findings.length === 0 ? [ok('only their owners can read keys and tokens')] : findings;
}

const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
