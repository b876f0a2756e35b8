import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import type { PathsView } from '@sallyport/agent-core';
import { askLiveness } from '@sallyport/agent-runtime';
import type { ResourceItem, StateItem } from '@sallyport/contract/channel';
import type { PingReply } from '@sallyport/contract/local';
import { gatewayName } from '../state/status.ts';
import { findTarget, type Target } from './target.ts';

/** Dependencies of a ping. */
export interface PingContext {
  readonly items: ReadonlyMap<string, StateItem>;
  /** Returns the paths of now: they change while a ping is under way. */
  readonly view: () => PathsView;
  readonly timeoutMs: number;
}

interface Answer {
  readonly rttMs: number | null;
  readonly detail: string;
}

/** Pings the gateway that carries a target, and the target itself. Throws when the target is unknown. */
export async function ping(text: string, context: PingContext): Promise<PingReply> {
  const { items, view, timeoutMs } = context;
  const deadline = performance.now() + timeoutMs;
  const target = findTarget(text, items, view());
  if (target.kind === 'none') throw new Error(target.why);
  const own = target.gateway === null ? null : overlayAddress(target.gateway, items);
  const routed = target.kind === 'gateway' || target.routed;
  const [gatewayRttMs, answer] = await Promise.all([
    own === null ? null : askLiveness(own, timeoutMs).then(rounded),
    target.kind === 'gateway' ? null : askTarget(target, timeoutMs),
  ]);
  const path = await pathOf(target.gateway, view, gatewayRttMs === null ? 0 : deadline);
  return {
    type: 'ping',
    target: text,
    address: target.address,
    gateway: target.gateway === null ? null : { id: target.gateway, name: gatewayName(target.gateway, items) },
    path: routed ? (path?.state ?? null) : 'local',
    relay: path?.relay == null ? null : { id: path.relay, name: gatewayName(path.relay, items) },
    gatewayRttMs,
    rttMs: answer?.rttMs ?? null,
    detail: answer?.detail ?? (gatewayRttMs === null ? 'the gateway does not answer' : 'the gateway answers'),
  };
}

/**
 * Returns the path to a gateway. A search that is under way ends a moment after the gateway has answered, because it sends
 * probes of its own: waits for its end, at most until `deadline`, so that the reply names the path of the answer.
 */
async function pathOf(gateway: string | null, view: PingContext['view'], deadline: number) {
  for (;;) {
    const path = view().paths.find(({ peer }) => peer === gateway);
    const isSearched = path?.state === 'searching' || path?.state === 'lost';
    if (!isSearched || performance.now() >= deadline) return path;
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

const lookMs = 10;

function askTarget({ address, port, hints }: Extract<Target, { kind: 'address' }>, timeoutMs: number): Promise<Answer> {
  if (address === null)
    return Promise.resolve({ rttMs: null, detail: 'a network cannot be pinged: name one of its addresses' });
  return port === null ? askAnyhow(address, hints ?? anywhere, timeoutMs) : open(address, port, timeoutMs);
}

type Hints = NonNullable<ResourceItem['ping']>;

/** Probes for an address without a resource that names its protocols. */
const anywhere: Hints = { tcp: [443, 80, 22], icmp: true };

/** Probes by ICMP and TCP ports in parallel; the first answer counts. UDP has no probe that all servers answer. */
async function askAnyhow(address: string, { tcp, icmp }: Hints, timeoutMs: number): Promise<Answer> {
  if (tcp.length === 0 && !icmp) return { rttMs: null, detail: silentProtocols };
  const tries = [...(icmp ? [echo(address, timeoutMs)] : []), ...tcp.map((port) => open(address, port, timeoutMs))];
  const answered = tries.map(async (one) => {
    const answer = await one;
    if (answer.rttMs === null) throw new Error(answer.detail);
    return answer;
  });
  const first = await Promise.any(answered).catch(() => null);
  if (first !== null) return first;
  const failures = (await Promise.all(tries)).map(({ detail }) => detail);
  return { rttMs: null, detail: `${failures.join('; ')}. To try another TCP port: NAME:PORT` };
}

const silentProtocols = 'its protocols have no packet that all servers answer. To try a TCP port: NAME:PORT';

function overlayAddress(gateway: string, items: PingContext['items']): string | null {
  const item = items.get(`peer/${gateway}`);
  return item?.kind === 'peer' ? (item.addresses[0] ?? null) : null;
}

/** Probes a TCP port. A refusal by the target's kernel is an answer as well: packets travel both ways. */
function open(host: string, port: number, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve) => {
    const began = performance.now();
    const socket = connect({ host, port });
    const end = (rttMs: number | null, detail: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ rttMs, detail });
    };
    const timer = setTimeout(() => end(null, `TCP port ${port}: no answer`), timeoutMs);
    socket.once('connect', () => end(rounded(performance.now() - began), `TCP port ${port} answers`));
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED') end(rounded(performance.now() - began), `TCP port ${port} is refused`);
      else end(null, `TCP port ${port}: ${reasons[code ?? ''] ?? code ?? 'failed'}`);
    });
  });
}

const reasons: Readonly<Record<string, string>> = {
  EHOSTUNREACH: 'no route to the host, or no policy allows it',
  ENETUNREACH: 'no route to the network',
  EACCES: 'no policy allows it',
};

/** Sends one ICMP echo with the system's `ping`, which may open a raw socket. */
function echo(address: string, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve) => {
    const args = ['-n', '-c', '1', '-W', String(Math.max(1, Math.ceil(timeoutMs / 1000))), address];
    const env = { PATH: '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' };
    execFile('ping', args, { env, timeout: timeoutMs + 1_000 }, (error, stdout) => {
      if ((error as NodeJS.ErrnoException | null)?.code === 'ENOENT') {
        return resolve({ rttMs: null, detail: 'ICMP: ping is not installed (apt-get install iputils-ping)' });
      }
      const rtt = /\btime[=<]([\d.]+) ms/.exec(stdout)?.[1];
      if (rtt !== undefined) return resolve({ rttMs: Number(rtt), detail: 'ICMP echo answers' });
      resolve({
        rttMs: null,
        detail: 'ICMP echo: no answer',
      });
    });
  });
}

function rounded(rttMs: number): number;
function rounded(rttMs: number | null): number | null;
function rounded(rttMs: number | null): number | null {
  return rttMs === null ? null : Math.round(rttMs * 100) / 100;
}
