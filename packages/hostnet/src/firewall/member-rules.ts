import { probeSources } from './probe-rules.ts';
import { DENIED_OUT, type Name, network, type Overlay } from './rule-text.ts';

/**
 * Rules that refuse sources from other interfaces only if they are members here. Other networks may use overlay
 * addresses too.
 */
export function guardRules(g: Name, tunnel: string, overlay: Overlay): string[] {
  const elsewhere = `iifname != ${tunnel} iifname != "lo" jump ${g('pretending')}`;
  return [`ip saddr ${network(overlay.v4)} ${elsewhere}`, `ip6 saddr ${network(overlay.v6)} ${elsewhere}`];
}

/** Rules that drop packets from the addresses of devices, of other gateways and of probes. */
export function pretendingRules(g: Name, overlay: Overlay): string[] {
  const probes = probeSources(overlay);
  return (['4', '6'] as const).flatMap((version) => {
    const source = version === '4' ? 'ip saddr' : 'ip6 saddr';
    const members = [
      `meta mark set ${source} map @${g(`devices${version}`)}`,
      `${source} @${g(`gateways${version}`)}`,
      `${source} ${probes[`v${version}`]}`,
    ];
    return members.map((member) => `${member} counter name drop_spoofed drop`);
  });
}

/**
 * Rules that drop answers to a device which would leave on another network, because the host has the same addresses
 * there. They must stand behind the rules for packets out of or into the tunnel.
 */
export function strayRules(g: Name, overlay: Overlay): string[] {
  return (['4', '6'] as const).map((version) => {
    const target = version === '4' ? 'ip daddr' : 'ip6 daddr';
    const member = `meta mark set ${target} map @${g(`devices${version}`)}`;
    const whole = network(overlay[`v${version}`]);
    return `${target} ${whole} ct direction reply ${member} ${DENIED_OUT}`;
  });
}
