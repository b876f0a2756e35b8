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
import { twice } from './twice.ts';

/**
 * Rules for liveness. This host answers a SYN to port 1 of the gateway's own overlay addresses with a reset. It does
 * so without a grant and after the lease has ended, because the answer only says that this host is alive. The tunnel
 * has checked the sender's address. Each sender gets a few answers a second, one packet for one packet. No socket is
 * involved.
 *
 * Echo requests to these addresses get answers in the same way. A device uses them to measure which packet sizes pass
 * in both directions.
 */
export function livenessRules(g: Name, ip: 'ip' | 'ip6'): string[] {
  const v = ip === 'ip' ? 4 : 6;
  return [
    `tcp dport 1 ${SYN} update @${g(`live${v}`)} { ${ip} saddr ${ANSWERS} } reject with tcp reset`,
    `tcp sport 1 ${RESET} ct direction reply ${CLEAR} accept`,
    `${echo(ip, 'request')} update @${g(`echo${v}`)} { ${ip} saddr ${ANSWERS} } ${CLEAR} accept`,
  ];
}

/** Rules that send traffic between members and this host's own overlay addresses to the liveness rules. */
export function liveness(g: Name, overlay: Overlay): string[] {
  return [`${within('ip', overlay)} jump ${g('liveness4')}`, `${within('ip6', overlay)} jump ${g('liveness6')}`];
}

/** Rules for this host's answers, and for its questions to other gateways. */
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
 * Rules for forwarded packets of the tunnel, with one comparison for each direction. Other packets fail both
 * comparisons and go on to the rules that follow.
 */
export function forwardRules(g: Name, tunnel: string): string[] {
  return [`iifname ${tunnel} goto ${g(twice('from_tunnel'))}`, `oifname ${tunnel} goto ${g(twice('from_network'))}`];
}

/**
 * Rules for packets from this host's network into the tunnel. The original direction is egress; the reply direction
 * answers devices. A packet without a direction is untracked and is dropped with the rest.
 */
export function fromNetworkRules(g: Name): string[] {
  return [`ct direction original goto ${g('egress_out')}`, `goto ${g('to_tunnel')}`];
}

/**
 * Rules for packets from the site's network into the tunnel. If answers to a source would enter the tunnel, the source
 * is not in that network.
 */
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

/**
 * Rules for answers to egress. Errors are accepted from the destinations and from gateways, because any peer in the
 * tunnel could send one.
 */
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

/** Rules for errors from an accepted sender: the quoted flow decides. */
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

/** Name of the counter for traffic between hosts behind this gateway and others through the tunnel. */
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
