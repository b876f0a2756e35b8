/** A base chain of another program that drops by default and has no rule that accepts the tunnel's packets. */
export interface ForeignDrop {
  readonly hook: 'forward' | 'input';
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** The command that an operator can type. */
  readonly fix: string;
}

/** A chain of any program, with the facts that decide whether it accepts the tunnel's packets. */
export interface ForeignChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook: string | null;
  readonly policy: string | null;
  readonly rules: readonly ForeignRule[];
}

/** A rule of such a chain: the interfaces that it matches and its target. */
export interface ForeignRule {
  /** Interfaces that the rule matches, as written. A `*` or `+` at the end is a wildcard. */
  readonly incoming: readonly string[];
  readonly outgoing: readonly string[];
  readonly accepts: boolean;
  readonly jumps: readonly string[];
}

/**
 * Finds chains at the forward and input hooks with policy drop in which no rule accepts packets by the tunnel's name.
 * The forward hook needs such a rule for the incoming and for the outgoing interface.
 *
 * The search does not evaluate rules. It reports a chain that accepts packets by other means, and misses one that
 * drops packets before it accepts them.
 */
export function foreignDrops(chains: readonly ForeignChain[], ownTable: string, tunnel: string): ForeignDrop[] {
  const drops: ForeignDrop[] = [];
  for (const chain of chains) {
    const { family, table, name, hook, policy } = chain;
    if (policy !== 'drop' || (hook !== 'forward' && hook !== 'input')) continue;
    if (!['ip', 'ip6', 'inet'].includes(family) || (family === 'inet' && table === ownTable)) continue;
    const rules = reachable(chain, chains).filter(({ accepts }) => accepts);
    const comes = rules.some(({ incoming }) => incoming.some((pattern) => matches(pattern, tunnel)));
    const goes = rules.some(({ outgoing }) => outgoing.some((pattern) => matches(pattern, tunnel)));
    if (comes && (goes || hook === 'input')) continue;
    drops.push({ hook, family, table, chain: name, fix: fixFor(chain, chains, tunnel) });
  }
  return drops;
}

function reachable(start: ForeignChain, chains: readonly ForeignChain[]): ForeignRule[] {
  const seen = new Set<string>([start.name]);
  const rules: ForeignRule[] = [];
  const queue = [start];
  for (let chain = queue.pop(); chain; chain = queue.pop()) {
    rules.push(...chain.rules);
    for (const name of chain.rules.flatMap(({ jumps }) => jumps)) {
      const next = chains.find((c) => c.family === start.family && c.table === start.table && c.name === name);
      if (next && !seen.has(name)) queue.push(next);
      seen.add(name);
    }
  }
  return rules;
}

function matches(pattern: string, name: string): boolean {
  return /[*+]$/.test(pattern) ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

/**
 * Returns a command that opens the chain at a hook for the tunnel. Its syntax suits the tool that seems to own the
 * chain.
 */
export function fixFor(chain: ForeignChain, chains: readonly ForeignChain[], tunnel: string): string {
  const { family, table, name, hook } = chain;
  const has = (prefix: string): boolean =>
    chains.some((c) => c.family === family && c.table === table && c.name.startsWith(prefix));
  if (table === 'firewalld') {
    return `firewall-cmd --permanent --zone=trusted --add-interface=${tunnel}; firewall-cmd --reload`;
  }
  if (has('ufw') && (hook === 'forward' || hook === 'input')) {
    return hook === 'forward'
      ? `ufw route allow in on ${tunnel}; ufw route allow out on ${tunnel}`
      : `ufw allow in on ${tunnel}`;
  }
  if (family !== 'inet' && IPTABLES.includes(table) && name === name.toUpperCase()) {
    const tool = `${family === 'ip6' ? 'ip6tables' : 'iptables'}${table === 'filter' ? '' : ` -t ${table}`}`;
    const target = hook === 'forward' && has('DOCKER-USER') ? 'DOCKER-USER' : name;
    return directions(hook)
      .map((way) => `${tool} -I ${target} -${way === 'iifname' ? 'i' : 'o'} ${tunnel} -j ACCEPT`)
      .join('; ');
  }
  // At that hook a packet no longer shows that it came out of the tunnel.
  if (hook === 'egress') return `nft -a list chain ${family} ${table} ${name} shows the rule to change`;
  return directions(hook)
    .map((way) => `nft insert rule ${family} ${table} ${name} ${way} ${tunnel} accept`)
    .join('; ');
}

const IPTABLES = ['filter', 'raw', 'mangle', 'nat', 'security'];

/** Directions in which a hook sees packets of the tunnel. */
function directions(hook: string | null): ('iifname' | 'oifname')[] {
  if (hook === 'forward') return ['iifname', 'oifname'];
  return hook === 'output' || hook === 'postrouting' ? ['oifname'] : ['iifname'];
}
