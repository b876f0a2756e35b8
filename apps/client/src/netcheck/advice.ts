import type { Netcheck } from '@sallyport/contract/local';
import { mtuAdvice } from './path-mtu.ts';

/** Returns advice that follows from the facts; nothing when all is well. */
export function adviceOn({
  controller,
  relays,
  beacons,
  uplink,
  tunnelMtu,
  pathMtus = [],
  ipv4,
  ipv6,
}: Omit<Netcheck, 'advice'>): string[] {
  const advice: string[] = [];
  if (!ipv4 && !ipv6) advice.push('This device has no address on a network: connect it to one.');
  if (controller.rttMs === null)
    advice.push('The controller cannot be reached. The tunnel stays unchanged until the lease ends.');
  else if (!controller.connected)
    advice.push('The controller can be reached, but the daemon is not connected: see its log.');
  if (relays.length > 0 && relays.every(({ rttMs }) => rttMs === null))
    advice.push('No relay point answers: a firewall on the path probably blocks UDP, which WireGuard needs.');
  if (beacons.length > 0 && beacons.every(({ answers }) => !answers))
    advice.push(
      'No beacon of the controller answers: a firewall blocks UDP to its ports, so direct connections through NATs are unlikely.',
    );
  const overhead = ipv6 ? outerIpv6 : outerIpv4;
  if (uplink !== null && tunnelMtu !== null && uplink.mtu > 0 && uplink.mtu < tunnelMtu + overhead)
    advice.push(
      `Packets of the tunnel (${tunnelMtu} bytes and ${overhead} around them) do not fit into those of ${uplink.interface} (${uplink.mtu}): an administrator should lower the tunnel's MTU.`,
    );
  advice.push(...pathMtus.flatMap(({ name, carries }) => mtuAdvice(name, carries, tunnelMtu) ?? []));
  const skew = controller.clockSkewMs ?? 0;
  if (Math.abs(skew) > 60_000)
    advice.push(
      `This clock is ${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? 'ahead of' : 'behind'} the controller's: leases and time windows suffer. Set it (timedatectl set-ntp true).`,
    );
  return advice;
}

/** IP and UDP headers around a packet of the tunnel, and WireGuard's own 32 bytes. */
const outerIpv4 = 60;
const outerIpv6 = 80;
