import process from 'node:process';
import { parseEnrolmentToken } from '@sallyport/contract/channel';
import type { FleetOrder, FleetReport, RoleReport } from './orders.ts';
import { SimulatedAgent } from './simulated-agent.ts';

// A process of simulated agents. It takes orders from the process that started it, and answers with what the agents have received.

const agents: SimulatedAgent[] = [];
const faults: string[] = [];
let frames: Record<string, number> = {};
/** Agents that got a state since the last mark, with the moment, epoch milliseconds. */
let told = new Map<SimulatedAgent, number>();

const log = {
  received(agent: SimulatedAgent, message: { readonly type: string }, at: number): void {
    const { type } = message;
    frames[type] = (frames[type] ?? 0) + 1;
    if ((type === 'delta' || type === 'snapshot') && !told.has(agent)) told.set(agent, at);
    if (waiting.length > 0) startNext();
  },
  fault(agent: SimulatedAgent, text: string): void {
    if (faults.length < 20) faults.push(`the controller of ${agent.settings.role} ${agent.settings.agent} ${text}`);
  },
};

function report(): FleetReport {
  const role = (wanted: string): RoleReport => {
    const own = agents.filter(({ settings }) => settings.role === wanted);
    const moments = own.flatMap((agent) => told.get(agent) ?? []);
    return {
      agents: own.length,
      live: own.filter(({ live }) => live).length,
      acknowledged: own.filter(({ acknowledged }) => acknowledged).length,
      told: moments.length,
      lastToldAt: moments.reduce((latest, at) => Math.max(latest, at), 0),
    };
  };
  return { gateway: role('gateway'), device: role('device'), frames, faults };
}

/** First handshakes at the same time, so that this process does not delay itself. Agents that come back do not wait. */
const atOnce = 32;
const waiting: SimulatedAgent[] = [];
const starting = new Set<SimulatedAgent>();

function startNext(): void {
  for (const agent of starting) if (agent.acknowledged) starting.delete(agent);
  while (starting.size < atOnce) {
    const next = waiting.shift();
    if (next === undefined) return;
    starting.add(next);
    next.connect();
  }
}

/** Returns a loopback address of its own for each number, in 100 networks. */
const loopback = (n: number): string => `127.${1 + (n % 100)}.${(n / 100 / 250) | 0}.${1 + (((n / 100) | 0) % 250)}`;

function connect({ url, strict, firstAddress, tokens }: Extract<FleetOrder, { kind: 'connect' }>): void {
  for (const [at, token] of tokens.entries()) {
    const read = parseEnrolmentToken(token, 'gateway') ?? parseEnrolmentToken(token, 'device');
    if (read === null) throw new Error('a token that cannot be read');
    const { role, agent } = read;
    const made = new SimulatedAgent(
      { role, agent, token, url, localAddress: loopback(firstAddress + at), strict },
      log,
    );
    agents.push(made);
    waiting.push(made);
  }
  startNext();
}

function obey(order: FleetOrder): FleetReport {
  if (order.kind === 'connect') connect(order);
  if (order.kind === 'mark') {
    frames = {};
    told = new Map();
  }
  return report();
}

process.on('message', ({ id, order }: { id: number; order: FleetOrder }) =>
  process.send?.({ id, report: obey(order) }),
);
process.on('disconnect', () => process.exit(0));
