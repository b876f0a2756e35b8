import { HostNetError } from '../errors.ts';
import type { Transit } from '../types.ts';

/** Group of the interfaces that are tunnels of ours, so that gateways on one host know each other's. */
export const TUNNEL_GROUP = 83;

/** Nothing is closed: forwarding was on before us, so what others forward is not our business. */
export const OPEN_TRANSIT: Transit = { families: [], bridges: [], virtual: [] };

/**
 * Rules for forwarded packets that neither come out of the tunnel nor go into it, to stand behind those for the tunnel.
 * Passed are: relayed datagrams, packets of other gateways on this host, frames that a bridge hands on (which some hosts
 * show to netfilter), flows that virtual networks of this host begin, and what is redirected to them.
 */
export function transitRules({ families, bridges, virtual }: Transit): string[] {
  if (families.length === 0) return [];
  const only = families.length === 2 ? '' : `meta nfproto ipv${families[0]} `;
  return [
    'meta mark & 0xf0000000 == 0x50000000 accept',
    `iifgroup ${TUNNEL_GROUP} accept`,
    `oifgroup ${TUNNEL_GROUP} accept`,
    'ct state established,related accept',
    ...ruleOf(
      bridges,
      (names) => `iifname . oifname { ${names.map((name) => `${name} . ${name}`).join(', ')} } accept`,
    ),
    ...ruleOf(virtual, (names) => `iifname { ${names.join(', ')} } accept`),
    ...ruleOf(virtual, (names) => `oifname { ${names.join(', ')} } ct status dnat accept`),
    `${only}counter name drop_transit drop`,
  ];
}

/** Throws `invalid-state` on what is no name of an interface. */
export function checkTransit({ bridges, virtual }: Transit): void {
  const odd = [...bridges, ...virtual].find((name) => !/^[A-Za-z0-9_.:@-]{1,15}$/.test(name));
  if (odd !== undefined) throw new HostNetError('invalid-state', `not an interface name: ${JSON.stringify(odd)}`);
}

function ruleOf(names: readonly string[], rule: (quoted: readonly string[]) => string): string[] {
  return names.length === 0 ? [] : [rule(names.map((name) => `"${name}"`))];
}
