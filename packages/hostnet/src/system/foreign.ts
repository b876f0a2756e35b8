import type { ForeignChain, ForeignDrop, ForeignRule } from '../firewall/foreign.ts';
import { fixFor, foreignDrops } from '../firewall/foreign.ts';
import { tableName } from '../firewall/ruleset.ts';
import type { TracedDrop } from '../firewall/trace.ts';
import { isObject, nftObjects } from './nft-json.ts';
import { output, parseJson } from './run.ts';

/**
 * Looks for foreign chains (of Docker or ufw, for example) that would drop the tunnel's traffic. Rules of the legacy
 * iptables back end are invisible to nft, and so to this function. Elements of sets and maps add no cost. Throws
 * HostNetError.
 */
export async function findForeignDrops(tunnel: string): Promise<ForeignDrop[]> {
  const answer = parseJson('nft', await output('nft', ['-jt', 'list', 'ruleset']));
  return foreignDrops(readChains(answer), tableName(tunnel), tunnel);
}

/** Returns the place where a probe was dropped, in words, and the command that lets it pass. */
export async function explainDrop(drop: TracedDrop, tunnel: string): Promise<{ place: string; fix: string }> {
  const { family, table, chain: name, base, rule } = drop;
  const chains = readChains(parseJson('nft', await output('nft', ['-jt', 'list', 'ruleset'])));
  const known = chains.find((c) => c.family === family && c.table === table && c.name === base);
  const chain = known ?? { family, table, name: base, hook: null, policy: null, rules: [] };
  const hook = chain.hook === null ? '' : ` at the ${chain.hook} hook`;
  const by = rule === null ? 'its policy' : `the rule "${rule}"`;
  return {
    place: `chain ${name} of table ${family} ${table}${hook} drops them (${by})`,
    fix: fixFor(chain, chains, tunnel),
  };
}

/** Reads the chains of all tables with their rules, reduced to interfaces, verdicts and jumps. Throws `bad-output`. */
export function readChains(answer: unknown): ForeignChain[] {
  const chains = new Map<string, Omit<ForeignChain, 'rules'> & { rules: ForeignRule[] }>();
  for (const { kind, body } of nftObjects(answer)) {
    if (kind === 'chain') {
      const { family, table, name, hook, policy } = body;
      const chain = { family: `${family}`, table: `${table}`, name: `${name}`, rules: [] };
      chains.set(`${family} ${table} ${name}`, { ...chain, hook: optional(hook), policy: optional(policy) });
    } else if (kind === 'rule') {
      chains.get(`${body.family} ${body.table} ${body.chain}`)?.rules.push(readRule(body.expr));
    }
  }
  return [...chains.values()];
}

function readRule(expression: unknown): ForeignRule {
  const statements = Array.isArray(expression) ? expression.filter(isObject) : [];
  const jumps = statements.flatMap((statement) =>
    [statement.jump, statement.goto].filter(isObject).map((target) => String(target.target)),
  );
  return {
    incoming: statements.flatMap((statement) => interfaces(statement.match, 'iifname')),
    outgoing: statements.flatMap((statement) => interfaces(statement.match, 'oifname')),
    accepts: statements.some((statement) => 'accept' in statement),
    jumps,
  };
}

function interfaces(match: unknown, key: string): string[] {
  if (!isObject(match) || match.op !== '==' || !isObject(match.left) || !isObject(match.left.meta)) return [];
  if (match.left.meta.key !== key) return [];
  const right = isObject(match.right) && Array.isArray(match.right.set) ? match.right.set : [match.right];
  return right.filter((name) => typeof name === 'string');
}

function optional(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
