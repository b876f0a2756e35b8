import { AWAY_MARK, AWAY_PRIORITY, classText, markText, ONWARD_MARK, ONWARD_PRIORITY } from './registers.ts';
import { CLEAR, DENIED_IN, DENIED_OUT, type Name } from './rule-text.ts';

/**
 * Ways between gateways go by source and destination: packets are marked here, and policy rules lead what is marked into the
 * tunnel. The set `ways` holds pairs of numbers that stand for two ends: a profile and a class that its devices go on to, a
 * site and a class that it may reach, groups of egress sources and destinations. Pairs have no time limits: what has expired
 * still goes towards the tunnel, where it is dropped, and not into another network.
 *
 * A kind of way that is not in use has no rules.
 */
export interface Ways {
  /** Devices come in here to go on to other gateways. */
  readonly onward: boolean;
  /** Sites behind other gateways come to what is here. */
  readonly sites: boolean;
  /** Networks here go to what is behind other gateways. */
  readonly egress: boolean;
}

/** Rules for the places of the table at which ways matter. */
export interface WayRules {
  /** Regular chains by name, each before those that lead to it. */
  readonly chains: Readonly<Record<string, readonly string[]>>;
  /** Out of the tunnel, before others look where a packet comes from. No mark of others can be lost there. */
  readonly guard: readonly string[];
  /** The same behind mangle, where others may have replaced the mark. */
  readonly outOfTunnel: readonly string[];
  /** From networks here into the tunnel. Marks of others stay on packets whose ends are in no pair. */
  readonly marking: readonly string[];
  /** What this host answers to sites, to be routed again when it is marked. */
  readonly answering: readonly string[];
  /** The same, when its interface is not the one that the hook was told. */
  readonly output: readonly string[];
  /** Where profile and class are known: what is to go on leaves by the tunnel, and nothing else does. */
  readonly going: readonly string[];
  /** The same at this host, which has an address that is meant behind another gateway. */
  readonly arrived: readonly string[];
}

/** Rules by which packets take a way through two gateways. */
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
    output: only(sites, `meta mark ${markText(AWAY_MARK)} goto ${g('from_host')}`),
    going: only(
      onward,
      `oifname ${tunnel} ${pair} != @${g('ways')} ${DENIED_IN}`,
      `oifname != ${tunnel} ${pair} @${g('ways')} ${DENIED_IN}`,
    ),
    arrived: only(onward, `${pair} @${g('ways')} ${DENIED_IN}`),
  };
}

type Chains = WayRules['chains'];

/** Requests and answers out of the tunnel. Nothing is known of their flows yet, so both directions are looked up. */
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

/** Answers to sites, from networks here or from this host, and errors about their flows. */
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
 * From networks here to destinations behind others. Those are looked up first, since the mark of others is lost when it is the
 * register of a look-up. A source that answers would reach through the tunnel is not from a network here.
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
/** Errors belong to the flow that they quote. */
const QUOTED = 'ct original ';

type Side = 'saddr' | 'daddr';

function marked(value: number, then = 0): string {
  return `meta mark set ${markText(value)} meta priority set ${classText(then)}`;
}

/** To be met with both numbers in their registers. */
function paired(g: Name, taken: string, verdict = 'return'): string[] {
  return [`meta mark . meta priority @${g('ways')} ${taken} ${verdict}`, CLEAR];
}

/** The site's number from the priority, where the class comes next, to the mark. */
function siteMark(g: Name): string {
  return `meta mark set meta priority map @${g('site_ways')}`;
}

/** Finds the number of an end for the mark. Where there is none, the mark stays and the next rule follows. */
function mark(g: Name, map: string, end: Side, then: string, of = PLAIN): string[] {
  return [
    `meta mark set ${of}ip ${end} map @${g(`${map}4`)} ${then}`,
    `meta mark set ${of}ip6 ${end} map @${g(`${map}6`)} ${then}`,
  ];
}

/** The same for the priority. */
function priority(g: Name, map: string, end: Side, then = '', of = PLAIN): string[] {
  const next = then === '' ? '' : ` ${then}`;
  return [
    `meta priority set ${of}ip ${end} map @${g(`${map}4`)}${next}`,
    `meta priority set ${of}ip6 ${end} map @${g(`${map}6`)}${next}`,
  ];
}

/** Of addresses in no class, the priority is in no pair. */
function classOf(g: Name, end: Side, of = PLAIN): string[] {
  return [NO_PRIORITY, ...priority(g, 'hosts', end, '', of), ...priority(g, 'classes', end, '', of)];
}
