import { markText } from '../firewall/registers.ts';
import { network } from '../firewall/rule-text.ts';
import { tableName } from '../firewall/ruleset.ts';
import { formatAddress, parsePrefix } from '../ip.ts';
import type { ClientHostState } from '../types.ts';
import { ANSWER_RULES, countSetTexts } from './counts.ts';

/**
 * Returns one transaction that rebuilds the device's table. Only answers come in through the tunnel. The device
 * forwards no packets into or out of the tunnel. Other networks cannot reach the device's overlay address and cannot
 * use overlay sources.
 *
 * Answers to WireGuard's own packets get their mark, and so do ICMP errors about those packets. The mark tells a
 * strict reverse path filter that they do not belong in the tunnel.
 */
export function clientRuleset(state: ClientHostState): string {
  const table = `inet ${tableName(state.interface)}`;
  const chains = clientChains(state);
  const lines = [
    `add table ${table}`,
    `delete table ${table}`,
    `add table ${table}`,
    ...CLIENT_DROPS.map((name) => `add counter ${table} drop_${name}`),
    ...countSetTexts(table),
    `add chain ${table} answers`,
    ...ANSWER_RULES.map((rule) => `add rule ${table} answers ${rule}`),
    ...chains.map(({ name, hook }) => `add chain ${table} ${name} { type filter hook ${hook}; policy accept; }`),
    ...chains.flatMap(({ name, rules }) => rules.map((rule) => `add rule ${table} ${name} ${rule}`)),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** Reasons for drops: from other networks to or as the overlay, unsolicited, or to be forwarded. */
export const CLIENT_DROPS = ['spoofed', 'unasked', 'forwarded'] as const;

function clientChains(state: ClientHostState): { name: string; hook: string; rules: string[] }[] {
  const tunnel = `"${state.interface}"`;
  const mark = markText(state.mark);
  return [
    { name: 'guard', hook: 'prerouting priority raw', rules: guardRules(state, tunnel) },
    {
      name: 'input',
      hook: 'input priority filter',
      rules: [
        // An element counts the packets that it matches. ICMP errors are no answers.
        `iifname ${tunnel} ct state established ip saddr @heard4 jump answers`,
        `iifname ${tunnel} ct state established ip6 saddr @heard6 jump answers`,
        `iifname ${tunnel} ct state established accept`,
        `iifname ${tunnel} ct state related meta l4proto { icmp, ipv6-icmp } accept`,
        `iifname ${tunnel} counter name drop_unasked drop`,
      ],
    },
    {
      name: 'forward',
      hook: 'forward priority filter',
      rules: ['iifname', 'oifname'].map((way) => `${way} ${tunnel} counter name drop_forwarded drop`),
    },
    {
      name: 'mark_out',
      hook: 'postrouting priority mangle',
      rules: [
        `oifname != ${tunnel} meta l4proto udp meta mark ${mark} ct mark set ${mark}`,
        `oifname ${tunnel} ip daddr @sent4`,
        `oifname ${tunnel} ip6 daddr @sent6`,
      ],
    },
    {
      name: 'mark_in',
      hook: 'prerouting priority mangle',
      rules: ['udp', '{ icmp, ipv6-icmp }'].map(
        (what) => `iifname != ${tunnel} meta l4proto ${what} ct direction reply ct mark ${mark} meta mark set ${mark}`,
      ),
    },
  ];
}

/**
 * Rules that refuse an overlay source if an answer to it would enter the tunnel. Another network may use such
 * addresses too.
 */
function guardRules({ addresses, overlay }: ClientHostState, tunnel: string): string[] {
  const elsewhere = `iifname != { ${tunnel}, "lo" }`;
  const drop = 'counter name drop_spoofed drop';
  return ([4, 6] as const).flatMap((family) => {
    const ip = family === 4 ? 'ip' : 'ip6';
    const own = addresses.map(parsePrefix).filter((address) => address.family === family);
    return [
      ...own.map((address) => `${ip} daddr ${formatAddress(address)} ${elsewhere} ${drop}`),
      `${ip} saddr ${network(overlay[`v${family}`])} ${elsewhere} fib saddr oifname ${tunnel} ${drop}`,
    ];
  });
}
