import { HostNetError } from '../errors.ts';
import type { NameRules } from './name-rules.ts';
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
 * The rules keep a packet of an established flow cheap: it pays for each look-up and little else. A successful look-up
 * leads on at once. Rare cases (sites, ranges, successors of cells, errors) stand behind one comparison.
 */

/**
 * Rules for packets that leave the tunnel and are forwarded. Replies out of it answer egress or turn round in the
 * tunnel.
 */
export function fromTunnelRules(g: Name, tunnel: string): string[] {
  return [
    `oifname ${tunnel} goto ${g('turning')}`,
    `ct direction reply goto ${g('egress_in')}`,
    ...deviceRules(g, 'saddr', 'from_site', 'requests', DENIED_IN),
  ];
}

/**
 * Rules for packets that turn round in the tunnel. Replies belong to devices that connect through this gateway.
 * Requests go to another gateway, never to another device.
 */
export function turningRules(g: Name, overlay: Overlay, onward: boolean): string[] {
  return [
    `ct direction reply goto ${g('turned')}`,
    `ip daddr ${network(overlay.v4)} ${DENIED_IN}`,
    `ip6 daddr ${network(overlay.v6)} ${DENIED_IN}`,
    ...(onward ? deviceRules(g, 'saddr', 'from_site', 'requests', DENIED_IN) : [DENIED_IN]),
  ];
}

/** Rules for packets to this host. */
export function toHostRules(g: Name, overlay: Overlay): string[] {
  return [
    ...liveness(g, overlay),
    `ct direction reply ${DENIED_IN}`,
    ...deviceRules(g, 'saddr', 'from_site', 'requests_to_host', DENIED_IN),
  ];
}

/** Rules for packets that this host sends into the tunnel: answers, errors and the liveness of gateways. */
export function fromHostRules(g: Name, overlay: Overlay): string[] {
  return [
    ...livenessAnswers(overlay),
    `ct state != related ct direction original ${DENIED_OUT}`,
    `goto ${g('to_tunnel')}`,
  ];
}

/**
 * Rules for the reply direction: the same grants with source and destination exchanged. The packets come from this
 * host or its network, where any router may send errors.
 */
export function toTunnelRules(g: Name): string[] {
  return deviceRules(g, 'daddr', 'to_site', 'replies', DENIED_OUT);
}

/**
 * Rules for replies that turn round in the tunnel. Any peer in the tunnel can send an error about a flow of another
 * peer. So errors are accepted only from gateways that the device may reach.
 */
export function turnedRules(g: Name): string[] {
  return deviceRules(g, 'daddr', 'to_site', 'replies_turned', DENIED_OUT);
}

/** Rules that require a running lease and an admitted device or site at the address. */
function deviceRules(g: Name, address: Side, site: string, next: string, denied: string): string[] {
  return [
    leaseRule(g, denied),
    `meta mark set ip ${address} map @${g('devices4')} goto ${g(next)}`,
    `meta mark set ip6 ${address} map @${g('devices6')} goto ${g(next)}`,
    `jump ${g(site)}`,
    `meta mark & ${markText(SPACE_MASK)} != ${markText(PROFILE_BASE)} ${denied}`,
    `goto ${g(next)}`,
  ];
}

/** Rules for addresses that belong to no device. They find the profile of a site. */
export function siteRules(g: Name, address: Side): string[] {
  return [
    'meta priority set 0:0',
    `meta priority set ip ${address} map @${g('sites4')}`,
    `meta priority set ip6 ${address} map @${g('sites6')}`,
    `meta mark set meta priority map @${g('site_profiles')}`,
  ];
}

type Side = 'saddr' | 'daddr';

/** Rules that follow when the device is known, by chain. */
export function grantChains(
  g: Name,
  ways: Pick<WayRules, 'going' | 'arrived'>,
  names: Pick<NameRules, 'requests' | 'replies'>,
): Record<string, readonly string[]> {
  const broken = brokenRule(g);
  const admitted = `goto ${g('admitted')}`;
  const onward = ways.going.length === 0 ? 'granted' : 'going';
  return {
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
    ...only(names.requests.length > 0, 'named_requests', [...namedRules(g, onward), broken, DENIED_IN]),
    requests: [...names.requests, ...classRules(g, 'daddr', onward), broken, DENIED_IN],
    // The gateway's own addresses are not part of the internet, even when they change.
    not_internet: [...ways.arrived, `meta priority @${g('internet')} ${DENIED_IN}`, `goto ${g('granted')}`],
    requests_to_host: [...classRules(g, 'daddr', 'not_internet'), broken, DENIED_IN],
    ...only(names.replies.length > 0, 'named_replies', [...namedRules(g, 'granted_back'), DENIED_OUT]),
    replies: [
      `${UNUSUAL} jump ${g('unusual_out')}`,
      ...names.replies,
      ...classRules(g, 'saddr', 'granted_back'),
      DENIED_OUT,
    ],
    replies_turned: [`${UNUSUAL} jump ${g('unusual_turned')}`, ...classRules(g, 'saddr', 'granted_turned'), DENIED_OUT],
  };
}

/**
 * Rules for packets that neither begin a flow nor belong to an established one. An untracked packet has no direction,
 * so it could pass for a reply. Connection helpers create related flows too; those go on to the grants.
 */
export function unusualRules(g: Name, errors: string): string[] {
  return [brokenRule(g), `goto ${g(errors)}`];
}

/** Rules for such packets that turn round in the tunnel. */
export function unusualTurnedRules(g: Name): string[] {
  return [brokenRule(g), ...fromGateways(g, 'icmp_to_tunnel')];
}

function brokenRule(g: Name): string {
  return `ct state invalid,untracked goto ${g('broken')}`;
}

/** Matches packets that neither begin a flow nor belong to an established one. */
const UNUSUAL = 'ct state invalid,related,untracked';

const only = (used: boolean, name: string, rules: readonly string[]) => (used ? { [name]: rules } : {});

/** Looks up the class of the address that a device used. It is the virtual one, and packets have another by now. */
function namedRules(g: Name, next: string): string[] {
  return classRules(g, 'daddr', next, 'ct original ');
}

function classRules(g: Name, address: Side, next: string, of = ''): string[] {
  return [
    `meta priority set ${of}ip ${address} map @${g('hosts4')} goto ${g(next)}`,
    `meta priority set ${of}ip ${address} map @${g('classes4')} goto ${g(next)}`,
    `meta priority set ${of}ip6 ${address} map @${g('hosts6')} goto ${g(next)}`,
    `meta priority set ${of}ip6 ${address} map @${g('classes6')} goto ${g(next)}`,
  ];
}

function cellRules(g: Name): string[] {
  return [
    `meta mark set meta mark . meta priority map @${g('cells')}`,
    `meta mark & ${markText(SPACE_MASK)} == ${markText(PROFILE_BASE)} jump ${g('successors')}`,
  ];
}

/**
 * Rules for packets whose cell is missing or expired. The mark of a bundle is no key of a cell, so the first bundle
 * found stays.
 */
export function successorRules(g: Name): string[] {
  return CELL_MAPS.slice(1).map((name) => `meta mark set meta mark . meta priority map @${g(name)}`);
}

/** One rule for each kind of packet; each rule decides alone. Packets that match none are denied by later rules. */
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
 * Rules for errors from devices. An error is related to the flow that it quotes, even to a flow of the gateway host or
 * its network. So a device's errors go only to destinations that it may reach, and only about flows that came out of
 * the tunnel. Only "unreachable" errors pass. A device forwards nothing, so no path through it can have packets that
 * are too big. A false size limit would slow down all users.
 */
export function icmpFromTunnelRules(overlay: Overlay): string[] {
  const granted = `meta mark >= ${markText(BUNDLE_BASE)}`;
  return [
    `${granted} ct original ip saddr ${network(overlay.v4)} icmp type destination-unreachable icmp code != 4 ${CLEAR} accept`,
    `${granted} ct original ip6 saddr ${network(overlay.v6)} icmpv6 type destination-unreachable ${CLEAR} accept`,
  ];
}

/** Rules for errors about a flow of an admitted device. Related flows of connection helpers go on to the grants. */
export function icmpToTunnelRules(): string[] {
  return [
    `icmp type { destination-unreachable, time-exceeded, parameter-problem } ${CLEAR} accept`,
    `icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } ${CLEAR} accept`,
  ];
}

/** Rules that pass established flows after one comparison. The later rules handle the first packets of a flow. */
export function admittedRules(
  g: Name,
  flowsPerAddress: number,
  draining: boolean,
  unresolved: readonly string[],
): string[] {
  if (!Number.isInteger(flowsPerAddress) || flowsPerAddress < 1) {
    throw new HostNetError('invalid-state', 'flowsPerAddress must be a positive integer');
  }
  const over = `ct count over ${flowsPerAddress} } counter name drop_limit drop`;
  return [
    'ct state != new accept',
    ...(draining ? ['reject with icmpx admin-prohibited'] : []),
    ...unresolved,
    `add @${g('flows4')} { ip saddr ${over}`,
    `add @${g('flows6')} { ip6 saddr ${over}`,
    'accept',
  ];
}
