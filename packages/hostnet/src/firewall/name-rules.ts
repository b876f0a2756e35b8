import { rangeOfNames4, rangeOfNames6 } from '@sallyport/ip';
import { markText, START_MARK } from './registers.ts';
import { CLEAR, type Name, network, type Overlay } from './rule-text.ts';

/** Rules about host names, for the places of the table at which they matter. */
export interface NameRules {
  /** Regular chains by name. */
  readonly chains: Readonly<Record<string, readonly string[]>>;
  /** For the first packet of a flow out of the tunnel, before it is routed. */
  readonly translation: readonly string[];
  /** For packets of known devices out of the tunnel, before the class of their destination is looked up. */
  readonly requests: readonly string[];
  /** For packets to known devices, before the class of their source is looked up. */
  readonly replies: readonly string[];
  /** For the first packet of an admitted flow. */
  readonly unresolved: readonly string[];
  /** For packets of the tunnel to this host, and for this host's packets into the tunnel. */
  readonly asking: readonly string[];
  readonly answers: readonly string[];
}

/** The rules of a gateway without names: none. */
export const noNames: NameRules = {
  chains: {},
  translation: [],
  requests: [],
  replies: [],
  unresolved: [],
  asking: [],
  answers: [],
};

/**
 * Returns the rules of a gateway that translates names. Grants are about virtual addresses, and the packets have real
 * ones after the translation. So the class of a flow is looked up by the destination of its original direction. Two
 * names on one server stay apart, and a changed translation leaves running flows alone.
 *
 * The check and the translation are apart: a packet whose virtual address has no real one is checked like any other,
 * and then rejected at once. An entry gateway passes virtual addresses on through the tunnel.
 */
export function nameRules(g: Name, tunnel: string, overlay: Overlay): NameRules {
  const within4 = network(rangeOfNames4(overlay));
  const within6 = network(rangeOfNames6(overlay.v6));
  const named = (chain: string): string[] => [
    `ct original ip daddr ${within4} goto ${g(chain)}`,
    `ct original ip6 daddr ${within6} goto ${g(chain)}`,
  ];
  const reject = 'reject with icmpx host-unreachable';
  return {
    chains: { asking: askingRules(g) },
    translation: [
      `iifname ${tunnel} dnat ip to ip daddr map @${g('names4')}`,
      `iifname ${tunnel} dnat ip6 to ip6 daddr map @${g('names6')}`,
    ],
    requests: named('named_requests'),
    replies: named('named_replies'),
    unresolved: [
      `oifname != ${tunnel} ip daddr ${within4} ${reject}`,
      `oifname != ${tunnel} ip6 daddr ${within6} ${reject}`,
    ],
    asking: dnsPackets(overlay, 'dport').map((match) => `${match} jump ${g('asking')}`),
    answers: dnsPackets(overlay, 'sport').map((match) => `${match} ct direction reply accept`),
  };
}

/**
 * Rules for queries to this host's own overlay addresses: from known devices, while the lease runs, so many a second
 * from each. A packet that they do not accept goes on to the rules for other packets to this host.
 */
function askingRules(g: Name): string[] {
  return [
    `meta mark set ${markText(START_MARK)} meta mark != @${g('lease')} return`,
    ...(['4', '6'] as const).map((version) => {
      const source = version === '4' ? 'ip saddr' : 'ip6 saddr';
      const limited = `update @${g(`asking${version}`)} { ${source} ${QUERIES} }`;
      return `meta mark set ${source} map @${g(`devices${version}`)} ${limited} ${CLEAR} accept`;
    }),
  ];
}

const QUERIES = 'limit rate 200/second burst 400 packets';

function dnsPackets(overlay: Overlay, port: 'dport' | 'sport'): string[] {
  return (['ip', 'ip6'] as const).flatMap((ip) => {
    const prefix = network(overlay[ip === 'ip' ? 'v4' : 'v6']);
    return ['udp', 'tcp'].map((protocol) => `${ip} saddr ${prefix} ${ip} daddr ${prefix} ${protocol} ${port} 53`);
  });
}
