import { WireGuardError } from '../errors.ts';

// Failures that a person can fix, each with advice.

/** Returns the error for a UDP port that another program has. */
export function portTaken(port: number): WireGuardError {
  const hint = `stop the program that uses it (ss -lunp 'sport = :${port}' names it) or choose another wireguardPort`;
  return new WireGuardError('port-taken', `UDP port ${port} is taken`, hint);
}

/** Returns the error for a link name that belongs to something else. */
export function nameTaken(name: string, what: string): WireGuardError {
  const hint = `choose another interface name, or remove that link if it is not needed (ip link del ${name})`;
  return new WireGuardError('name-taken', `the link name ${name} belongs to ${what}`, hint);
}

/** Returns the error for a missing CAP_NET_ADMIN. */
export function noPrivilege(): WireGuardError {
  const hint = 'run it as root, or give it CAP_NET_ADMIN (with systemd: AmbientCapabilities=CAP_NET_ADMIN)';
  return new WireGuardError('no-privilege', 'the kernel refuses changes to the network', hint);
}

/** Returns the error for a program that is not installed. */
export function missingTool(program: string): WireGuardError {
  const hint = `install it, for example: apt-get install ${DEBIAN_PACKAGES[program] ?? program}`;
  return new WireGuardError('missing-tool', `the program ${program} is not installed`, hint);
}

/** Returns the error for a missing /dev/net/tun. */
export function noTun(): WireGuardError {
  const hint = 'load it with "modprobe tun"; in a container pass the device in (docker run --device /dev/net/tun)';
  return new WireGuardError('no-tun', '/dev/net/tun cannot be opened', hint);
}

/** Returns the error for a kernel without WireGuard. */
export function noKernelModule(): WireGuardError {
  const hint = 'load it with "modprobe wireguard" (kernel 5.6 or newer), or use wireguard-go: --wireguard userspace';
  return new WireGuardError('no-kernel-module', 'this kernel has no WireGuard', hint);
}

const DEBIAN_PACKAGES: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  wg: 'wireguard-tools',
  'wireguard-go': 'wireguard-go',
  'systemd-run': 'systemd',
};
