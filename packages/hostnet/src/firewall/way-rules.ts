import { AWAY_MARK, AWAY_PRIORITY, classText, markText, ONWARD_MARK, ONWARD_PRIORITY } from './registers.ts';
import { CLEAR, DENIED_IN, DENIED_OUT, type Name } from './rule-text.ts';
import { twice } from './twice.ts';

/**
 * The kinds of ways between gateways that are in use. Ways go by source and destination: the rules mark packets, and
 * policy rules lead marked packets into the tunnel.
 *
 * The set `ways` holds pairs of numbers that stand for two ends. There are three kinds of pairs. A profile pairs with
 * a class that its devices go on to. A site pairs with a class that it may reach. A group of egress sources pairs with
 * a group of destinations.
 *
 * Pairs have no time limits: expired traffic still goes towards the tunnel, where it is dropped, and into no other
 * network. A kind of way that is not in use has no rules.
 */
export interface Ways {
  /** Devices connect here to go on to other gateways. */
  readonly onward: boolean;
  /** Sites behind other gateways reach networks here. */
  readonly sites: boolean;
  /** Networks here reach networks behind other gateways. */
  readonly egress: boolean;
}

/** Rules for the places of the table at which ways matter. */
export interface WayRules {
  /** Regular chains by name, each before the chains that lead to it. */
  readonly chains: Readonly<Record<string, readonly string[]>>;
  /** For packets out of the tunnel, before other rules check the source. Such packets carry no foreign marks. */
  readonly guard: readonly string[];
  /** For the same packets after mangle, where other programs may have replaced the mark. */
  readonly outOfTunnel: readonly string[];
  /** For packets from networks here into the tunnel. Packets whose ends are in no pair keep their foreign marks. */
  readonly marking: readonly string[];
  /** For this host's answers to sites. A marked packet is routed again. */
  readonly answering: readonly string[];
  /** For the same answers, when the packet's interface differs from the one that the hook shows. */
  readonly output: readonly string[];
  /** For the point where profile and class are known. Packets that must go on leave by the tunnel, and no others do. */
  readonly going: readonly string[];
  /** For the same point at this host, when the host itself has an address that is meant behind another gateway. */
  readonly arrived: readonly string[];
}

/** Returns the rules by which packets take a way through two gateways. */
export function wayRules(g: Name, tunnel: string, ways: Ways): WayRules {
  const { onward, sites, egress } = ways;
  const pair = 'meta mark . meta priority';
  const only = (used: boolean, ...rules: string[]): string[] => (used ? rules : []);
  const again = (mark: number, priority: number): string =>
    `meta priority ${classText(priority)} ${marked(mark)} accept`;
  return {
    chains: { ...chainsIn(g, ways), ...chainsBack(g), ...chainsOut(g, tunnel) },
    guard: only(onward || sites || egress, `iifname ${tunnel} jump ${g('ways_in')}`),
    outOfTunnel: [
      ...only(onward, again(ONWARD_MARK, ONWARD_PRIORITY)),
      ...only(sites || egress, again(AWAY_MARK, AWAY_PRIORITY)),
    ],
    marking: [
      ...only(sites, `iifname != "lo" ct direction reply goto ${g('way_back')}`),
      ...only(egress, `iifname != "lo" ct direction original goto ${g('way_out')}`),
    ],
    answering: only(sites, `oifname != ${tunnel} ct direction reply goto ${g('way_back')}`),
    output: only(sites, `meta mark ${markText(AWAY_MARK)} goto ${g(twice('from_host'))}`),
    going: only(
      onward,
      `oifname ${tunnel} ${pair} != @${g('ways')} ${DENIED_IN}`,
      `oifname != ${tunnel} ${pair} @${g('ways')} ${DENIED_IN}`,
    ),
    arrived: only(onward, `${pair} @${g('ways')} ${DENIED_IN}`),
  };
}

type Chains = WayRules['chains'];

/**
 * Rules for requests and answers out of the tunnel. Their flows are unknown at this point, so the rules look up both
 * directions.
 */
function chainsIn(g: Name, { onward, sites, egress }: Ways): Chains {
  const onwardPair = paired(g, marked(ONWARD_MARK, ONWARD_PRIORITY));
  const awayPair = paired(g, marked(AWAY_MARK, AWAY_PRIORITY));
  return {
    way_onward_request: [...classOf(g, 'daddr'), ...onwardPair],
    way_onward_reply: [...classOf(g, 'saddr'), ...onwardPair],
    way_site_request: [siteMark(g), ...classOf(g, 'daddr'), ...awayPair],
    way_egress_reply: [NO_PRIORITY, ...priority(g, 'egress_destinations', 'saddr'), ...awayPair],
    ways_in: [
      NO_PRIORITY,
      ...(onward ? mark(g, 'devices', 'saddr', `goto ${g('way_onward_request')}`) : []),
      ...(onward ? mark(g, 'devices', 'daddr', `goto ${g('way_onward_reply')}`) : []),
      ...(sites ? priority(g, 'sites', 'saddr', `jump ${g('way_site_request')}`) : []),
      ...(sites && egress ? [`meta priority ${classText(AWAY_PRIORITY)} return`] : []),
      ...(egress ? mark(g, 'egress_sources', 'daddr', `goto ${g('way_egress_reply')}`) : []),
    ],
  };
}

/** Rules for answers to sites, from networks here or from this host, and for errors about their flows. */
function chainsBack(g: Name): Chains {
  const awayPair = paired(g, marked(AWAY_MARK));
  return {
    way_back_answer: [siteMark(g), ...classOf(g, 'saddr'), ...awayPair],
    way_back_quoted: [siteMark(g), ...classOf(g, 'daddr', QUOTED), ...awayPair],
    way_back_error: priority(g, 'sites', 'saddr', `goto ${g('way_back_quoted')}`, QUOTED),
    way_back: [
      `ct state related goto ${g('way_back_error')}`,
      ...priority(g, 'sites', 'daddr', `goto ${g('way_back_answer')}`),
    ],
  };
}

/**
 * Rules for packets from networks here to destinations behind other gateways. The rules look up the destination first,
 * because a look-up into the mark overwrites a foreign mark. If answers to a source would enter the tunnel, the source
 * is not in a network here.
 */
function chainsOut(g: Name, tunnel: string): Chains {
  const source = (of = PLAIN): string[] => [
    ...mark(g, 'egress_sources', 'saddr', `goto ${g('way_out_pair')}`, of),
    NO_PRIORITY,
  ];
  return {
    way_genuine: [`fib saddr . mark oifname ${tunnel} ${DENIED_OUT}`],
    way_out_pair: paired(g, marked(AWAY_MARK), `goto ${g('way_genuine')}`),
    way_out_begun: source(),
    way_out_quoted: source(QUOTED),
    way_out_error: priority(g, 'egress_destinations', 'daddr', `goto ${g('way_out_quoted')}`, QUOTED),
    way_out: [
      `ct state related goto ${g('way_out_error')}`,
      ...priority(g, 'egress_destinations', 'daddr', `goto ${g('way_out_begun')}`),
    ],
  };
}

const NO_PRIORITY = 'meta priority set 0:0';
const PLAIN = '';
/** Matches on the original direction of the flow. An error belongs to the flow that it quotes. */
const QUOTED = 'ct original ';

type Side = 'saddr' | 'daddr';

function marked(value: number, then = 0): string {
  return `meta mark set ${markText(value)} meta priority set ${classText(then)}`;
}

/** A match on the pair; it needs both numbers in their registers. */
function paired(g: Name, taken: string, verdict = 'return'): string[] {
  return [`meta mark . meta priority @${g('ways')} ${taken} ${verdict}`, CLEAR];
}

/** Moves the site's number from the priority to the mark, because the class needs the priority next. */
function siteMark(g: Name): string {
  return `meta mark set meta priority map @${g('site_ways')}`;
}

/** Sets the mark to the number of an end. If there is none, the mark stays and the next rule follows. */
function mark(g: Name, map: string, end: Side, then: string, of = PLAIN): string[] {
  return [
    `meta mark set ${of}ip ${end} map @${g(`${map}4`)} ${then}`,
    `meta mark set ${of}ip6 ${end} map @${g(`${map}6`)} ${then}`,
  ];
}

/** Sets the priority to the number of an end, in the same way. */
function priority(g: Name, map: string, end: Side, then = '', of = PLAIN): string[] {
  const next = then === '' ? '' : ` ${then}`;
  return [
    `meta priority set ${of}ip ${end} map @${g(`${map}4`)}${next}`,
    `meta priority set ${of}ip6 ${end} map @${g(`${map}6`)}${next}`,
  ];
}

/** Sets the priority to the class of an address. For an address in no class, the priority is in no pair. */
function classOf(g: Name, end: Side, of = PLAIN): string[] {
  return [NO_PRIORITY, ...priority(g, 'hosts', end, '', of), ...priority(g, 'classes', end, '', of)];
}
