import { probeSources } from './probe-rules.ts';
import { CHECKED_MARK, markText } from './registers.ts';
import { type Name, network, type Overlay } from './rule-text.ts';

/**
 * Rules that mark packets which come out of the tunnel or are about to enter it. They run after the mangle priority
 * for two reasons. A foreign rule that restores marks from conntrack cannot clear the bit there. The destination of
 * answers to masqueraded flows is known only there.
 *
 * The kernel has a reverse path filter for IPv4 only. It looks a packet up as if it came from its destination. So a
 * packet into the tunnel meets the policy rule that prohibits unmarked packets from the tunnel. A `fib` look-up for
 * every packet is expensive, so the rules recognise members by their address. Packets to networks beyond the tunnel
 * get the mark of their way, which contains the bit.
 */
export function markingRules(g: Name, tunnel: string, overlay: Overlay, ways: boolean): string[] {
  const checked = ways ? `goto ${g('out_of_tunnel')}` : `${CHECKED} accept`;
  return [`iifname ${tunnel} ${checked}`, `ip daddr ${network(overlay.v4)} goto ${g('to_members')}`];
}

/** Rules for packets out of the tunnel. The rules in `marked` handle packets whose way is already known. */
export function outOfTunnelRules(marked: readonly string[]): string[] {
  return [...marked, `${CHECKED} accept`];
}

/** Rules that mark packets to devices and to the source of probes. Our table overwrites their marks in any case. */
export function toMembersRules(g: Name, overlay: Overlay): string[] {
  return [
    `meta mark set ip daddr map @${g('devices4')} ${CHECKED} accept`,
    `ip daddr ${probeSources(overlay).v4} ${CHECKED}`,
  ];
}

const CHECKED = `meta mark set meta mark | ${markText(CHECKED_MARK)}`;
