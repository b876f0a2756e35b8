import { HostNetError } from '../errors.ts';
import { liveness, livenessAnswers } from './path-rules.ts';
import {
  BUNDLE_BASE,
  classText,
  ICMP_PORT_CLASS,
  markText,
  OTHER_PORT_CLASS,
  PROFILE_BASE,
  SPACE_MASK,
} from './registers.ts';
import {
  CELL_MAPS,
  CLEAR,
  DENIED_IN,
  DENIED_OUT,
  fromGateways,
  leaseRule,
  type Name,
  network,
  type Overlay,
} from './rule-text.ts';
import type { WayRules } from './way-rules.ts';

/**
 * A packet of an established flow pays for each look-up and for little else: what is found leads on at once, and what is
 * rare (sites, ranges, successors of cells, errors) stands behind one comparison.
 */

/** What comes out of the tunnel and goes on. Replies out of it can only be answers to egress, or turn round. */
export function fromTunnelRules(g: Name, tunnel: string): string[] {
  return [
    `oifname ${tunnel} jump ${g('turning')}`,
    `ct direction reply goto ${g('egress_in')}`,
    ...deviceRules(g, 'saddr', 'from_site', 'requests', DENIED_IN),
  ];
}

/**
 * Replies that turn round in the tunnel belong to devices that come in through this gateway. Requests that do are for another
 * gateway to pass on, never for another device.
 */
export function turningRules(g: Name, overlay: Overlay, onward: boolean): string[] {
  return [
    `ct direction reply goto ${g('turned')}`,
    `ip daddr ${network(overlay.v4)} ${DENIED_IN}`,
    `ip6 daddr ${network(overlay.v6)} ${DENIED_IN}`,
    ...(onward ? [] : [DENIED_IN]),
  ];
}

/** What is meant for this host. */
export function toHostRules(g: Name, overlay: Overlay): string[] {
  return [
    ...liveness(g, overlay),
    `ct direction reply ${DENIED_IN}`,
    ...deviceRules(g, 'saddr', 'from_site', 'requests_to_host', DENIED_IN),
  ];
}

/** What this host sends into the tunnel itself: answers, errors, and the liveness of gateways. */
export function fromHostRules(g: Name, overlay: Overlay): string[] {
  return [
    ...livenessAnswers(overlay),
    `ct state != related ct direction original ${DENIED_OUT}`,
    `goto ${g('to_tunnel')}`,
  ];
}

/**
 * Reply direction: the same grants with source and destination turned round. The packets come from this host or its network,
 * where any router may send errors.
 */
export function toTunnelRules(g: Name): string[] {
  return deviceRules(g, 'daddr', 'to_site', 'replies', DENIED_OUT);
}

/**
 * The same for replies that turn round in the tunnel. Anybody in it could send an error about the flow of another one, so
 * only gateways are believed, and those that the device may reach.
 */
export function turnedRules(g: Name): string[] {
  return deviceRules(g, 'daddr', 'to_site', 'replies_turned', DENIED_OUT);
}

/** The lease must run, and the device, or the site that the address belongs to, must be admitted. */
function deviceRules(g: Name, address: Side, site: string, next: string, denied: string): string[] {
  return [
    leaseRule(g, denied),
    `meta mark set ip ${address} map @${g('devices4')} goto ${g(next)}`,
    `meta mark set ip6 ${address} map @${g('devices6')} goto ${g(next)}`,
    `jump ${g(site)}`,
    `goto ${g(next)}`,
  ];
}

/** Only for addresses that no device has. What leads to no profile ends here. */
export function siteRules(g: Name, address: Side, denied: string): string[] {
  return [
    'meta priority set 0:0',
    `meta priority set ip ${address} map @${g('sites4')}`,
    `meta priority set ip6 ${address} map @${g('sites6')}`,
    `meta mark set meta priority map @${g('site_profiles')}`,
    `meta mark & ${markText(SPACE_MASK)} != ${markText(PROFILE_BASE)} ${denied}`,
  ];
}

type Side = 'saddr' | 'daddr';

/** What follows when the device is known, by chain. */
export function grantChains(g: Name, ways: Pick<WayRules, 'going' | 'arrived'>): Record<string, readonly string[]> {
  const broken = `ct state invalid,untracked goto ${g('broken')}`;
  const admitted = `goto ${g('admitted')}`;
  return {
    // What somebody's rules keep from being tracked has no direction, so it could pass for a reply. Connection helpers make
    // flows that are related too; those go on to the grants.
    unusual_in: [broken, `goto ${g('icmp_from_tunnel')}`],
    unusual_out: [broken, `goto ${g('icmp_to_tunnel')}`],
    unusual_turned: [broken, ...fromGateways(g, 'icmp_to_tunnel')],
    granted: [
      ...cellRules(g),
      `${UNUSUAL} jump ${g('unusual_in')}`,
      ...portRules(g, 'dport', 'echo-request', admitted),
      DENIED_IN,
    ],
    granted_back: [...cellRules(g), ...portRules(g, 'sport', 'echo-reply', 'accept'), DENIED_OUT],
    granted_turned: [
      ...cellRules(g),
      `meta mark >= ${markText(BUNDLE_BASE)} ct state related jump ${g('icmp_to_tunnel')}`,
      ...portRules(g, 'sport', 'echo-reply', 'accept'),
      DENIED_OUT,
    ],
    going: [...ways.going, `goto ${g('granted')}`],
    requests: [...classRules(g, 'daddr', ways.going.length === 0 ? 'granted' : 'going'), broken, DENIED_IN],
    // Its own addresses are not the internet, whichever they are at the moment.
    not_internet: [...ways.arrived, `meta priority @${g('internet')} ${DENIED_IN}`, `goto ${g('granted')}`],
    requests_to_host: [...classRules(g, 'daddr', 'not_internet'), broken, DENIED_IN],
    replies: [`${UNUSUAL} jump ${g('unusual_out')}`, ...classRules(g, 'saddr', 'granted_back'), DENIED_OUT],
    replies_turned: [`${UNUSUAL} jump ${g('unusual_turned')}`, ...classRules(g, 'saddr', 'granted_turned'), DENIED_OUT],
  };
}

/** Neither the first packet of a flow nor one of an established flow. */
const UNUSUAL = 'ct state invalid,related,untracked';

function classRules(g: Name, address: Side, next: string): string[] {
  return [
    `meta priority set ip ${address} map @${g('hosts4')} goto ${g(next)}`,
    `meta priority set ip ${address} map @${g('classes4')} goto ${g(next)}`,
    `meta priority set ip6 ${address} map @${g('hosts6')} goto ${g(next)}`,
    `meta priority set ip6 ${address} map @${g('classes6')} goto ${g(next)}`,
  ];
}

function cellRules(g: Name): string[] {
  return [
    `meta mark set meta mark . meta priority map @${g('cells')}`,
    `meta mark & ${markText(SPACE_MASK)} == ${markText(PROFILE_BASE)} jump ${g('successors')}`,
  ];
}

/** For packets whose cell is missing or has expired. A bundle's mark is no key of a cell, so the first bundle found stays. */
export function successorRules(g: Name): string[] {
  return CELL_MAPS.slice(1).map((name) => `meta mark set meta mark . meta priority map @${g(name)}`);
}

/** One rule for each kind of packet, which decides by itself. What none of them passes is denied behind them. */
function portRules(g: Name, port: 'sport' | 'dport', echo: string, verdict: string): string[] {
  const decide = `counter name meta mark . meta priority map @${g('allowed')} ${CLEAR} ${verdict}`;
  return [
    `meta priority set tcp ${port} map @${g('tcp_ports')} ${decide}`,
    `meta priority set udp ${port} map @${g('udp_ports')} ${decide}`,
    `icmp type ${echo} meta priority set ${classText(ICMP_PORT_CLASS)} ${decide}`,
    `icmpv6 type ${echo} meta priority set ${classText(ICMP_PORT_CLASS)} ${decide}`,
    `meta l4proto != { 1, 6, 17, 58 } meta priority set ${classText(OTHER_PORT_CLASS)} ${decide}`,
  ];
}

/**
 * An error is related to whatever flow it quotes, be it one of the gateway host or of its network. So a device's errors
 * go only where it may send something anyway, and only about flows that came out of the tunnel. They say "unreachable"
 * and nothing else: a device hands nothing on, so it has no path whose packets could be too big, and belief in such a
 * size would slow down everybody.
 */
export function icmpFromTunnelRules(overlay: Overlay): string[] {
  const granted = `meta mark >= ${markText(BUNDLE_BASE)}`;
  return [
    `${granted} ct original ip saddr ${network(overlay.v4)} icmp type destination-unreachable icmp code != 4 ${CLEAR} accept`,
    `${granted} ct original ip6 saddr ${network(overlay.v6)} icmpv6 type destination-unreachable ${CLEAR} accept`,
  ];
}

/** Errors about a flow of an admitted device. What connection helpers expect is related too, and goes on to the grants. */
export function icmpToTunnelRules(): string[] {
  return [
    `icmp type { destination-unreachable, time-exceeded, parameter-problem } ${CLEAR} accept`,
    `icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } ${CLEAR} accept`,
  ];
}

/** Flows that already go on cost one comparison here; the rest is for the first packets of a flow. */
export function admittedRules(g: Name, flowsPerAddress: number, draining: boolean): string[] {
  if (!Number.isInteger(flowsPerAddress) || flowsPerAddress < 1) {
    throw new HostNetError('invalid-state', 'flowsPerAddress must be a positive integer');
  }
  const over = `ct count over ${flowsPerAddress} } counter name drop_limit drop`;
  return [
    'ct state != new accept',
    ...(draining ? ['reject with icmpx admin-prohibited'] : []),
    `add @${g('flows4')} { ip saddr ${over}`,
    `add @${g('flows6')} { ip6 saddr ${over}`,
    'accept',
  ];
}
