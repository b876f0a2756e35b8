import { HostNetError } from '../errors.ts';
import type { Transit } from '../types.ts';

/** Interface group of our tunnels, so that gateways on one host recognise each other's tunnels. */
export const TUNNEL_GROUP = 83;

/** Settings that close nothing. Forwarding was on before us, so we do not judge what others forward. */
export const OPEN_TRANSIT: Transit = { families: [], bridges: [], virtual: [] };

/**
 * Returns rules for forwarded packets outside the tunnel; they stand behind the rules for the tunnel. They pass
 * relayed datagrams, packets of other gateways on this host, and frames that a bridge forwards. (Some hosts show such
 * frames to netfilter.) They also pass flows that begin in virtual networks of this host, and flows redirected to
 * those networks.
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

/** Checks the interface names. Throws `invalid-state` if one is not valid. */
export function checkTransit({ bridges, virtual }: Transit): void {
  const odd = [...bridges, ...virtual].find((name) => !/^[A-Za-z0-9_.:@-]{1,15}$/.test(name));
  if (odd !== undefined) throw new HostNetError('invalid-state', `not an interface name: ${JSON.stringify(odd)}`);
}

function ruleOf(names: readonly string[], rule: (quoted: readonly string[]) => string): string[] {
  return names.length === 0 ? [] : [rule(names.map((name) => `"${name}"`))];
}
