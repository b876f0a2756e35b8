import { setTimeout as sleep } from 'node:timers/promises';
import { type Cleanup, until } from '@sallyport/testkit';
import { gatewayBody } from './controller.ts';
import { SimulatedAgent } from './fleet/simulated-agent.ts';
import { type AmountResult, amount } from './harness.ts';
import { load, requestText } from './load.ts';
import { newTenants } from './postgres.ts';
import { apiKey, type RunningController } from './processes.ts';

/** Changes for each agent in a round. */
const changes = 200;
/** Pause between two changes. Deltas that come closer together to one agent are paced. */
const pauseMs = 5;
/** Changes of other objects a second, in the rounds with load. */
const otherChanges = 50;
const path = '/tenants/gateways';

/** A gateway with an agent that is connected to one of the replicas. */
interface Site {
  readonly id: string;
  readonly agent: SimulatedAgent;
  /** Resolves with the moment at which the agent gets its next state. */
  next(): Promise<number>;
}

/**
 * Measures a change by one replica until an agent has applied it: of an agent at another replica against one at the same.
 * The two take turns. Changes are made one at a time, first alone and then beside others.
 */
export async function changesAcross(
  cleanup: Cleanup,
  here: RunningController,
  there: RunningController,
  rounds: number,
): Promise<AmountResult[]> {
  const same = await connect(cleanup, here, here);
  const other = await connect(cleanup, here, there);
  const [key = ''] = await newTenants(here, 1);
  const added = async (): Promise<number> => {
    const times: Record<'same' | 'other', number[]> = { same: [], other: [] };
    for (let n = 0; n < changes; n++) {
      times.same.push(await changeOne(here, same, n));
      times.other.push(await changeOne(here, other, n));
    }
    return percentile(times.other, 0.99) - percentile(times.same, 0.99);
  };
  const beside = async (): Promise<number> => {
    const stop = new AbortController();
    const others = changeOthers(here, key, stop.signal);
    const result = await added();
    stop.abort();
    await others;
    return result;
  };
  await added();
  const figure =
    'change by one replica until an agent of another has applied it, added to the same on one replica, p99';
  return [
    await amount(figure, 'ms', added, { rounds, atMost: 20 }),
    await amount(`the same, beside ${otherChanges} other changes a second`, 'ms', beside, { rounds, atMost: 20 }),
  ];
}

/** Creates a gateway, and connects its agent to a replica. */
async function connect(cleanup: Cleanup, by: RunningController, to: RunningController): Promise<Site> {
  const { id, token } = (await call(by, 'POST', path, gatewayBody())) as { id: string; token: string };
  let waiting: ((at: number) => void) | null = null;
  const faults: string[] = [];
  const log = {
    received: (_: SimulatedAgent, { type }: { readonly type: string }) => {
      if (type !== 'delta' && type !== 'snapshot') return;
      waiting?.(performance.now());
      waiting = null;
    },
    fault: (_: SimulatedAgent, text: string) => void faults.push(text),
  };
  const url = `ws://127.0.0.1:${to.port}`;
  const agent = new SimulatedAgent(
    { role: 'gateway', agent: id, token, url, localAddress: '127.0.0.1', strict: true },
    log,
  );
  cleanup.add(async () => agent.stop());
  agent.connect();
  await until('the agent to have a state', () => agent.acknowledged);
  const next = () =>
    new Promise<number>((resolve, reject) => {
      if (faults.length > 0) reject(new Error(faults.join('\n')));
      waiting = resolve;
    });
  return { id, agent, next };
}

/** Changes the MTU of a gateway. Returns how long it takes until its agent has applied that, milliseconds. */
async function changeOne(by: RunningController, { id, next }: Site, turn: number): Promise<number> {
  await sleep(pauseMs);
  const body = { ...(JSON.parse(gatewayBody()) as object), name: `site ${id}`, mtu: 1300 + (turn % 2) };
  const from = performance.now();
  const applied = next();
  const [at] = await Promise.all([applied, call(by, 'PATCH', `${path}/${id}`, JSON.stringify(body))]);
  return at - from;
}

/** Creates gateways of another tenant at a steady rate. */
async function changeOthers({ port }: RunningController, key: string, stop: AbortSignal): Promise<void> {
  const request = () => requestText('POST', path, { apikey: key }, gatewayBody());
  while (!stop.aborted) {
    const pause = sleep(1000 / otherChanges);
    await load({ port, connections: 1, durationMs: 1, request, expect: 201 });
    await pause;
  }
}

async function call({ port }: RunningController, method: string, to: string, body: string): Promise<unknown> {
  const headers = { apikey: apiKey, 'content-type': 'application/json' };
  const answer = await fetch(`http://127.0.0.1:${port}${to}`, { method, headers, body });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}
