import { probeSources } from './probe-rules.ts';
import { CHECKED_MARK, markText } from './registers.ts';
import { type Name, network, type Overlay } from './rule-text.ts';

/**
 * Marks what comes out of the tunnel, and what is about to go into it. This stands behind mangle, so that a foreign rule which
 * restores marks from conntrack cannot wipe the bit out, and where it is known at last where answers to masqueraded flows go.
 *
 * The kernel's reverse path filter, which IPv4 alone has, looks packets up as if they came from where they go. So what goes
 * into the tunnel meets the policy rule that prohibits unmarked packets from it. Asking `fib` for every packet is dear; so
 * members are told by their address. What goes to networks beyond the tunnel gets the mark of its way, which has the bit.
 */
export function markingRules(g: Name, tunnel: string, overlay: Overlay, ways: boolean): string[] {
  const checked = ways ? `goto ${g('out_of_tunnel')}` : `${CHECKED} accept`;
  return [`iifname ${tunnel} ${checked}`, `ip daddr ${network(overlay.v4)} goto ${g('to_members')}`];
}

/** `marked`: packets whose way is known already. */
export function outOfTunnelRules(marked: readonly string[]): string[] {
  return [...marked, `${CHECKED} accept`];
}

/** Devices, and where probes come from: their marks are overwritten by our table in any case. */
export function toMembersRules(g: Name, overlay: Overlay): string[] {
  return [
    `meta mark set ip daddr map @${g('devices4')} ${CHECKED} accept`,
    `ip daddr ${probeSources(overlay).v4} ${CHECKED}`,
  ];
}

const CHECKED = `meta mark set meta mark | ${markText(CHECKED_MARK)}`;
