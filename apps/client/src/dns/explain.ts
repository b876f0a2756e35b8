import { lookup, Resolver } from 'node:dns/promises';
import { domainToASCII } from 'node:url';
import type { PathsView } from '@sallyport/agent-core';
import type { StateItem } from '@sallyport/contract/channel';
import type { DnsReply } from '@sallyport/contract/local';
import { canonicalUnmapped, isWildcard } from '@sallyport/ip';
import type { NameTrace } from '../names/names.ts';

/** Dependencies of an explanation. */
export interface ExplainContext {
  readonly items: ReadonlyMap<string, StateItem>;
  readonly view: PathsView;
  /** How the device treats a name. */
  readonly trace: (name: string) => Promise<NameTrace>;
  readonly timeoutMs?: number;
}

type Answer = DnsReply['host'];

const defaultTimeoutMs = 3_000;

/** Explains how a host name resolves on this device. Throws when the text is not a host name. */
export async function explainName(text: string, context: ExplainContext): Promise<DnsReply> {
  const name = nameOf(text);
  const before = await context.trace(name);
  const timeoutMs = context.timeoutMs ?? defaultTimeoutMs;
  const [host, ...answers] = await Promise.all([
    askHost(name, timeoutMs),
    ...before.servers.map((server) => askServer(server, name, timeoutMs)),
  ]);
  // A name that only a wildcard covers gets its addresses by these questions.
  const trace = await context.trace(name);
  const { item } = trace;
  const addresses = item === null || isWildcard(item.id) ? [] : [...item.addresses];
  const reply = {
    type: 'dns' as const,
    name,
    resources: resourcesOf(item?.addresses ?? [], context),
    addresses,
    gateway: gatewayOf(trace.gateway, context),
    answers,
    host,
    by: trace.by,
  };
  return { ...reply, advice: adviceOf(reply, trace.problem) };
}

function nameOf(text: string): string {
  // The parser of URLs would ignore what follows one of these characters.
  const name = /[/:?#@\\]/.test(text) ? '' : domainToASCII(text).replace(/\.$/, '');
  const labels = name.split('.');
  const fits = labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
  if (!fits || canonicalUnmapped(name) !== null) throw new Error(`not a host name: ${JSON.stringify(text)}`);
  return name;
}

function resourcesOf(addresses: readonly string[], { items, view }: ExplainContext): DnsReply['resources'] {
  const prefixes = new Set(addresses.map((address) => canonicalUnmapped(address)));
  const routes = view.routes.filter(({ prefix }) => prefixes.has(canonicalUnmapped(prefix.replace(/\/\d+$/, ''))));
  const ids = [...new Set(routes.flatMap(({ resources }) => resources))];
  return ids.map((id) => {
    const item = items.get(`resource/${id}`);
    return { id, name: item?.kind === 'resource' ? item.name : id };
  });
}

function gatewayOf(id: string | null, { items, view }: ExplainContext): DnsReply['gateway'] {
  if (id === null) return null;
  const item = items.get(`peer/${id}`);
  const path = view.paths.find(({ peer }) => peer === id)?.state ?? null;
  return { id, name: item?.kind === 'peer' ? item.name : id, path };
}

/** Returns what programs of this host get, from whatever the system asks. */
async function askHost(name: string, timeoutMs: number): Promise<Answer> {
  const asked = lookup(name, { all: true }).then((found) => found.map(({ address }) => address));
  return measured('host', within(asked, timeoutMs));
}

async function askServer(server: string, name: string, timeoutMs: number): Promise<Answer> {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
  const all = async (): Promise<string[]> => {
    resolver.setServers([server]);
    const [four, six] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const found = [four, six].flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    if (found.length > 0) return found;
    throw (four as PromiseRejectedResult).reason ?? new Error('no answer');
  };
  return measured(server, within(all(), timeoutMs + 500)).finally(() => resolver.cancel());
}

async function measured(server: string, asked: Promise<readonly string[]>): Promise<Answer> {
  const began = performance.now();
  const [result, addresses] = await asked.then(
    (found): [string, readonly string[]] => ['OK', found],
    (error: NodeJS.ErrnoException): [string, readonly string[]] => [resultOf(error.code), []],
  );
  const ms = Math.round((performance.now() - began) * 100) / 100;
  return { server, result, addresses: [...new Set(addresses)].sort(), ms };
}

const resultOf = (code = 'FAILED'): string => results[code] ?? code;
const results: Readonly<Record<string, string>> = {
  ENOTFOUND: 'NXDOMAIN',
  ENODATA: 'NODATA',
  EREFUSED: 'REFUSED',
  ESERVFAIL: 'SERVFAIL',
  ETIMEOUT: 'TIMEOUT',
  ECONNREFUSED: 'NO RESOLVER',
  EAI_AGAIN: 'NO ANSWER',
};

function within<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error('timeout'), { code: 'ETIMEOUT' })), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

type Found = Omit<DnsReply, 'advice'>;

/** Returns what keeps the name from resolving, one sentence each. */
function adviceOf(found: Found, problem: string | null): string[] {
  const { name, addresses, gateway, answers, host, by } = found;
  if (addresses.length === 0 && gateway === null)
    return host.result === 'OK' ? [] : [`This host does not resolve ${name}.`];
  const advice = problem === null ? [] : [problem];
  if (gateway === null) advice.push(`No gateway carries ${name} now.`);
  else if (answers.length === 0) advice.push(`${gateway.name} has no address in the tunnel to ask.`);
  for (const { server, result } of answers) {
    const why = gatewayResults[result];
    if (result !== 'OK')
      advice.push(`${gateway?.name ?? server} answers ${result}${why === undefined ? '' : `: ${why}`}.`);
  }
  const own = new Set(addresses);
  const foreign = own.size === 0 ? [] : host.addresses.filter((address) => !own.has(address));
  if (by === null && problem === null)
    advice.push('This host does not ask Sallyport for names: see "sally up --help", --dns.');
  else if (foreign.length > 0)
    advice.push(
      `This host resolves ${name} to ${foreign.join(', ')} instead: /etc/hosts or another resolver names that address.`,
    );
  else if (host.result !== 'OK' && answers.some(({ result }) => result === 'OK'))
    advice.push(`The gateway answers, but programs on this host do not get the answer (${host.result}).`);
  return advice;
}

const gatewayResults: Readonly<Record<string, string>> = {
  REFUSED: 'the rules do not let this device reach the name at the moment',
  SERVFAIL: 'its own resolvers do not answer',
  NXDOMAIN: 'its own resolvers say that the name does not exist',
  NODATA: 'its own resolvers know no address',
  TIMEOUT: 'the tunnel to it may be down',
};
