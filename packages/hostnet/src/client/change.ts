import { ROUTE_PROTOCOL } from '../host/batch.ts';
import type { FoundRoute } from '../host/found.ts';
import { formatNetwork, parsePrefix } from '../ip.ts';
import type { FoundClient } from './found.ts';
import { type RuleTarget, ruleText } from './rules.ts';

type Family = 4 | 6;

/** An added or removed route of the tunnel's table, or policy rule of ours. Rules have the form of `ruleText`. */
export type ClientChange = { readonly op: 'add' | 'del' } & (
  | { readonly route: FoundRoute }
  | { readonly rule: string }
);

/** The tunnel interface and its routing table. */
export interface OwnTable {
  readonly interface: string;
  readonly table: number;
}

/** Returns a text that is the same for a command and for the kernel's report of it. */
export function changeKey(change: ClientChange): string {
  if ('rule' in change) return `${change.op} rule ${change.rule}`;
  const { kind, destination, metric } = change.route;
  // The kernel reports a metric for each IPv6 route, also where the command names none.
  return `${change.op} ${kind} ${destination}${kind === 'unreachable' ? ` ${metric}` : ''}`;
}

/**
 * Reads the lines of a batch that `planClientUp` wrote for one family. Returns null if a line is no route or rule, so
 * that the kernel's reports of the batch are not known in advance.
 */
export function batchChanges(batch: string, own: OwnTable): ClientChange[] | null {
  const lines = batch.split('\n').filter((line) => line !== '');
  const changes = lines.map((line): ClientChange | null => {
    const [, object, op, text = ''] = /^(route|rule) (add|del) (.+)$/.exec(line) ?? [];
    if (op !== 'add' && op !== 'del') return null;
    if (object === 'rule') return { op, rule: text };
    const route = readRoute(text, own);
    return route && { op, route };
  });
  return changes.every((change) => change !== null) ? changes : null;
}

/** Reads a line of `ip -o monitor label`. Returns null if it is no route of the tunnel's table and no rule of ours. */
export function reportedChange(line: string, own: OwnTable): ClientChange | null {
  const [, label, deleted, text = ''] = /^\[(ROUTE|RULE)\](Deleted )?(.+)$/.exec(line) ?? [];
  if (label === undefined) return null;
  const op = deleted === undefined ? 'add' : 'del';
  if (label === 'ROUTE') {
    const route = readRoute(text, own);
    return route && { op, route };
  }
  const rule = readRule(text);
  return rule === null ? null : { op, rule };
}

/** Returns what the host has after changes of one family. */
export function withChanges(found: FoundClient, family: Family, changes: readonly ClientChange[]): FoundClient {
  if (changes.length === 0) return found;
  const routes = new Map(found.routes.map((route) => [changeKey({ op: 'add', route }), route]));
  const rules = new Set(found.rules[`v${family}`]);
  for (const change of changes) {
    if ('rule' in change) change.op === 'add' ? rules.add(change.rule) : rules.delete(change.rule);
    else if (change.op === 'add') routes.set(changeKey(change), change.route);
    else routes.delete(changeKey({ ...change, op: 'add' }));
  }
  return { ...found, routes: [...routes.values()], rules: { ...found.rules, [`v${family}`]: [...rules] } };
}

/** Reads a route as a command or a report spells it. */
function readRoute(text: string, own: OwnTable): FoundRoute | null {
  const words = text.trim().split(/\s+/);
  const kind = (['unreachable', 'throw'] as const).find((word) => word === words[0]) ?? 'unicast';
  const after = (name: string): string | undefined => words[words.indexOf(name, 1) + 1];
  const has = (name: string): boolean => words.indexOf(name, 1) > 0;
  if (!has('table') || after('table') !== String(own.table)) return null;
  if (!has('proto') || after('proto') !== String(ROUTE_PROTOCOL)) return null;
  if (kind === 'unicast' && (!has('dev') || after('dev') !== own.interface || has('via'))) return null;
  const destination = destinationOf(words[kind === 'unicast' ? 0 : 1] ?? '', has('pref') ? 6 : 4);
  if (destination === null) return null;
  return { kind, destination, metric: has('metric') ? Number(after('metric')) : 0 };
}

/** Only reports of IPv6 routes have a preference; commands name default routes in full. */
function destinationOf(word: string, family: Family): string | null {
  if (word === 'default') return family === 6 ? '::/0' : '0.0.0.0/0';
  try {
    return formatNetwork(parsePrefix(word.includes('/') ? word : `${word}/${word.includes(':') ? 128 : 32}`));
  } catch {
    return null;
  }
}

/** Words of a report of a rule that take a value, by the field that the value fills. */
const RULE_WORDS: ReadonlyMap<string, string> = new Map([
  ['from', 'source'],
  ['to', 'to'],
  ['fwmark', 'mark'],
  ['uidrange', 'uids'],
  ['ipproto', 'protocol'],
  ['sport', 'from'],
  ['dport', 'port'],
  ['lookup', 'table'],
  ['suppress_prefixlength', 'suppress'],
  ['proto', 'proto'],
]);

/** Reads a rule of ours as a report spells it; null for other rules. */
function readRule(text: string): string | null {
  const [head = '', ...words] = text.trim().split(/\s+/);
  const priority = /^\d+:$/.test(head) ? Number.parseInt(head, 10) : null;
  const not = words[0] === 'not';
  const parts = new Map<string, string>();
  for (let at = not ? 1 : 0; at < words.length; at += 2) {
    const name = RULE_WORDS.get(words[at] ?? '');
    const value = words[at + 1];
    if (name === undefined || value === undefined || parts.has(name)) return null;
    parts.set(name, value);
  }
  if (priority === null || parts.get('source') !== 'all' || parts.get('proto') !== String(ROUTE_PROTOCOL)) return null;
  const mark = parts.get('mark');
  const target = targetOf(parts);
  return ruleText({
    ...{ priority, not, mark: mark === undefined ? null : Number(mark), table: `lookup ${parts.get('table')}` },
    ...(target && { to: target }),
    suppress: parts.has('suppress'),
  });
}

function targetOf(parts: ReadonlyMap<string, string>): RuleTarget | null {
  const protocol = parts.get('protocol');
  if (protocol !== 'tcp' && protocol !== 'udp') return null;
  const [to, from, uids] = [parts.get('to'), parts.get('from'), parts.get('uids')];
  return {
    ...{ protocol, port: Number(parts.get('port') ?? 0) },
    ...(to !== undefined && { to }),
    ...(from !== undefined && { from: Number(from) }),
    ...(uids !== undefined && { uid: Number.parseInt(uids, 10) }),
  };
}
