import { probeSources } from './probe-rules.ts';
import { CHECKED_MARK, markText } from './registers.ts';
import { type Name, network, type Overlay } from './rule-text.ts';

/**
 * Marks what comes out of the tunnel, and what is about to go into it. This stands behind mangle, so that a foreign rule which
 * restores marks from conntrack cannot wipe the bit out, and where it is known at last where answers to masqueraded flows go.
 *
 * The kernel's reverse path filter, which IPv4 alone has, looks packets up as if they came from where they go. So what goes
 * into the tunnel meets the policy rule that prohibits unmarked packets from it. Asking `fib` for every packet is dear; so
 * members are told by their address, and only what goes to a site's addresses is asked about, if there are any. The priority serves as a
 * register here: the kernel sets it anew when it forwards.
 */
export function markingRules(g: Name, tunnel: string, overlay: Overlay, beyond: boolean): string[] {
  const maps = beyond ? ['egress_destinations4', 'sites4'] : [];
  return [
    `iifname ${tunnel} ${CHECKED} accept`,
    `ip daddr ${network(overlay.v4)} goto ${g('to_members')}`,
    ...maps.map((name) => `meta priority set ip daddr map @${g(name)} goto ${g('to_sites')}`),
  ];
}

/** Devices, and where probes come from: their marks are overwritten by our table in any case. */
export function toMembersRules(g: Name, overlay: Overlay): string[] {
  return [
    `meta mark set ip daddr map @${g('devices4')} ${CHECKED} accept`,
    `ip daddr ${probeSources(overlay).v4} ${CHECKED}`,
  ];
}

export function toSitesRules(tunnel: string): string[] {
  return ['meta priority set 0:0', `fib daddr oifname ${tunnel} ${CHECKED}`];
}

const CHECKED = `meta mark set meta mark | ${markText(CHECKED_MARK)}`;
