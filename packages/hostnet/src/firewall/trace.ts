import { passedTable } from './passed.ts';
import { probeSources } from './probe-rules.ts';
import { type FirewallOptions, tableName } from './ruleset.ts';

/** The place where another program's rules ended a probe, or the answer to one. */
export interface TracedDrop {
  readonly of: 'probe' | 'answer';
  readonly family: string;
  readonly table: string;
  /** Chain of the verdict. */
  readonly chain: string;
  /** The chain at a hook through which the packet reached that chain. */
  readonly base: string;
  /** Text of the rule; null means the policy of the chain. */
  readonly rule: string | null;
}

/** Name of the table that marks probes for tracing. It exists only for moments. */
function traceTable(interfaceName: string): string {
  return `${tableName(interfaceName)}_trace`;
}

/** Returns the text of a transaction that makes the kernel trace probes and their answers. */
export function traceText({ interface: name, overlay }: Pick<FirewallOptions, 'interface' | 'overlay'>): string {
  const table = `inet ${traceTable(name)}`;
  const { v4, v6 } = probeSources(overlay);
  const hook = (where: string, priority: number): string => `{ type filter hook ${where} priority ${priority}; }`;
  const answers = [
    `ct direction reply ct original ip saddr ${v4} meta nftrace set 1`,
    `ct direction reply ct original ip6 saddr ${v6} meta nftrace set 1`,
  ];
  const lines = [
    `add table ${table}`,
    `delete table ${table}`,
    `add table ${table}`,
    // At the interface itself, other rules may drop the packet before any later hook.
    `add chain ${table} arriving { type filter hook ingress device "${name}" priority ${BEFORE_ALL}; }`,
    `add rule ${table} arriving ip saddr ${v4} meta nftrace set 1`,
    `add rule ${table} arriving ip6 saddr ${v6} meta nftrace set 1`,
    `add chain ${table} probe ${hook('prerouting', BEFORE_ALL)}`,
    `add rule ${table} probe iifname "${name}" ip saddr ${v4} meta nftrace set 1`,
    `add rule ${table} probe iifname "${name}" ip6 saddr ${v6} meta nftrace set 1`,
    // Only the connection shows that a packet is an answer.
    `add chain ${table} answer ${hook('prerouting', BEHIND_CONNTRACK)}`,
    ...answers.map((rule) => `add rule ${table} answer ${rule}`),
    `add chain ${table} answer_out ${hook('output', BEHIND_CONNTRACK)}`,
    ...answers.map((rule) => `add rule ${table} answer_out ${rule}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** Returns the text of a transaction that removes the table, whether or not it exists. */
export function untraceText(interfaceName: string): string {
  const table = `inet ${traceTable(interfaceName)}`;
  return `add table ${table}\ndelete table ${table}\n`;
}

const BEFORE_ALL = -450;
const BEHIND_CONNTRACK = -199;

/** Reads the output of `nft monitor trace` line by line and finds where a probe ends. */
export class TraceReader {
  readonly #trace: string;
  readonly #own: readonly string[];
  /** By trace id: whether the packet is a probe or an answer, and the last base chain that it entered. */
  readonly #seen = new Map<string, { of: TracedDrop['of']; base: string }>();

  constructor(interfaceName: string) {
    this.#trace = traceTable(interfaceName);
    this.#own = [tableName(interfaceName), passedTable(interfaceName)];
  }

  line(text: string): TracedDrop | null {
    const found =
      /^trace id ([0-9a-f]+) (\S+) (\S+) (\S+) (packet:|rule (.*) \(verdict (\S+).*\)|policy (\S+)|verdict (\S+))/.exec(
        text,
      );
    if (!found) return null;
    const [, id = '', family = '', table = '', chain = '', what = '', rule = null, verdict, policy] = found;
    if (family === 'inet' && table === this.#trace && this.#seen.size < MOST && !this.#seen.has(id)) {
      this.#seen.set(id, { of: chain === 'probe' || chain === 'arriving' ? 'probe' : 'answer', base: chain });
    }
    const packet = this.#seen.get(id);
    if (!packet) return null;
    if (what === 'packet:') packet.base = chain;
    if ((verdict ?? policy) !== 'drop' || (family === 'inet' && this.#own.includes(table))) return null;
    return { of: packet.of, family, table, chain, base: packet.base, rule: rule && withoutCounts(rule) };
  }
}

/** The limit of remembered traces. A trace covers a handful of packets, and other programs may trace too. */
const MOST = 1_000;

function withoutCounts(rule: string): string {
  return rule.replace(/counter packets \d+ bytes \d+/g, 'counter').slice(0, 300);
}
