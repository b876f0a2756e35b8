import {
  CLEAR,
  DENIED_IN,
  DENIED_OUT,
  fromGateways,
  leaseRule,
  type Name,
  network,
  type Overlay,
  START,
} from './rule-text.ts';

/**
 * Liveness: a SYN to port 1 of the gateway's own overlay addresses is refused with a reset, whatever is granted, and even
 * when the lease has ended, since it says nothing but that this host lives. Who asked is known by the address that the
 * tunnel has checked; each is answered a few times a second, one packet for one. No socket has a part in it.
 *
 * Echoes to these addresses are answered alike: a device measures with them which sizes of packets get through both ways.
 */
export function livenessRules(g: Name, ip: 'ip' | 'ip6'): string[] {
  const v = ip === 'ip' ? 4 : 6;
  return [
    `tcp dport 1 ${SYN} update @${g(`live${v}`)} { ${ip} saddr ${ANSWERS} } reject with tcp reset`,
    `tcp sport 1 ${RESET} ct direction reply ${CLEAR} accept`,
    `${echo(ip, 'request')} update @${g(`echo${v}`)} { ${ip} saddr ${ANSWERS} } ${CLEAR} accept`,
  ];
}

/** Sends what members exchange with this host's own overlay addresses to these rules. */
export function liveness(g: Name, overlay: Overlay): string[] {
  return [`${within('ip', overlay)} jump ${g('liveness4')}`, `${within('ip6', overlay)} jump ${g('liveness6')}`];
}

/** Our answers, and our own questions to other gateways. */
export function livenessAnswers(overlay: Overlay): string[] {
  return (['ip', 'ip6'] as const).flatMap((ip) => [
    `${within(ip, overlay)} tcp sport 1 ${RESET} accept`,
    `${within(ip, overlay)} tcp dport 1 ${SYN} accept`,
    `${within(ip, overlay)} ${echo(ip, 'reply')} ct direction reply accept`,
  ]);
}

function within(ip: 'ip' | 'ip6', overlay: Overlay): string {
  const prefix = network(overlay[ip === 'ip' ? 'v4' : 'v6']);
  return `${ip} saddr ${prefix} ${ip} daddr ${prefix}`;
}

const echo = (ip: 'ip' | 'ip6', type: string): string => `${ip === 'ip' ? 'icmp' : 'icmpv6'} type echo-${type}`;
const SYN = 'tcp flags & (fin | syn | rst | ack) == syn';
const RESET = 'tcp flags & (fin | syn | rst | ack) == rst | ack';
const ANSWERS = 'limit rate 20/second burst 40 packets';

/**
 * Forwarded packets of the tunnel, each way behind one comparison. Packets of others end at the second one and go on to what
 * stands behind.
 */
export function forwardRules(g: Name, tunnel: string): string[] {
  return [`iifname ${tunnel} goto ${g('from_tunnel')}`, `oifname ${tunnel} goto ${g('from_network')}`];
}

/**
 * From this host's network into the tunnel: original direction is egress, the other one answers devices. What has no direction
 * is not tracked, and ends with the others.
 */
export function fromNetworkRules(g: Name): string[] {
  return [`ct direction original goto ${g('egress_out')}`, `goto ${g('to_tunnel')}`];
}

/** From the site's network into the tunnel. A source that answers would reach through the tunnel is not from that network. */
export function egressOutRules(g: Name, tunnel: string): string[] {
  return [
    START,
    leaseRule(g, DENIED_OUT),
    `fib saddr oifname ${tunnel} ${DENIED_OUT}`,
    `ct state related jump ${g('egress_errors')}`,
    ...pairRules(g, 'saddr', 'daddr'),
    `meta mark . meta priority @${g('egress_pairs')} ${COUNTED} goto ${g('admitted')}`,
    DENIED_OUT,
  ];
}

/** Answers to it. Errors are believed from the destinations and from gateways, since anybody in the tunnel could send one. */
export function egressInRules(g: Name): string[] {
  const paired = `meta mark . meta priority @${g('egress_pairs')}`;
  return [
    START,
    leaseRule(g, DENIED_IN),
    ...pairRules(g, 'daddr', 'saddr'),
    `${paired} ct state != related ${COUNTED} accept`,
    `${paired} ct state related jump ${g('egress_errors')}`,
    ...fromGateways(g, 'egress_errors'),
    DENIED_IN,
  ];
}

/** Errors whose sender is believed: the flow that they quote decides. */
export function egressErrorRules(g: Name): string[] {
  const admitted = `meta mark . meta priority @${g('egress_pairs')}`;
  return [
    `meta mark set ct original ip saddr map @${g('egress_sources4')}`,
    `meta mark set ct original ip6 saddr map @${g('egress_sources6')}`,
    `meta priority set ct original ip daddr map @${g('egress_destinations4')}`,
    `meta priority set ct original ip6 daddr map @${g('egress_destinations6')}`,
    `${admitted} icmp type { destination-unreachable, time-exceeded, parameter-problem } ${CLEAR} accept`,
    `${admitted} icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } ${CLEAR} accept`,
    START,
  ];
}

/** Counts what hosts behind this gateway exchange with others through the tunnel. */
export const EGRESS_COUNTER = 'egress';
const COUNTED = `counter name ${EGRESS_COUNTER} ${CLEAR}`;

function pairRules(g: Name, source: 'saddr' | 'daddr', destination: 'saddr' | 'daddr'): string[] {
  return [
    `meta mark set ip ${source} map @${g('egress_sources4')}`,
    `meta mark set ip6 ${source} map @${g('egress_sources6')}`,
    `meta priority set ip ${destination} map @${g('egress_destinations4')}`,
    `meta priority set ip6 ${destination} map @${g('egress_destinations6')}`,
  ];
}
