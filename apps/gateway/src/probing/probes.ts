import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { ProbeItem, ProbeResult } from '@sallyport/contract/channel';
import type { PathProbe } from './path-probe.ts';

/** Probes each target from this host, several in parallel, and returns a result for each. */
export async function probeAll(items: readonly ProbeItem[], timeoutMs = 3_000): Promise<ProbeResult[]> {
  const results: ProbeResult[] = [];
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) results.push(await probe(item, timeoutMs));
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  return results;
}

const concurrency = 32;

type Outcome = Pick<ProbeResult, 'reachable' | 'detail' | 'rttMs'>;

/** Returns whether an address answers at a TCP port, or an ICMP echo without one. Does not reject. */
export async function answersAt(target: string, port: number | null, timeoutMs: number): Promise<boolean> {
  const outcome = await (port === null ? ping(target, timeoutMs) : tcp(target, port, timeoutMs)).catch(() => null);
  return outcome?.reachable === true;
}

/** Probes one target. Does not reject. */
export async function probe(item: PathProbe, timeoutMs: number): Promise<ProbeResult> {
  const outcome = await trialOf(item, timeoutMs).catch((error: Error) => ({
    reachable: false,
    detail: `not tried: ${error.message}`,
  }));
  return { id: item.id, resource: item.resource, ...outcome };
}

function trialOf({ target, port, protocol }: PathProbe, timeoutMs: number): Promise<Outcome> {
  if (port === null) return ping(target, timeoutMs);
  return protocol === 'udp' ? route(target, port) : tcp(target, port, timeoutMs);
}

/** Returns whether this host has a route for datagrams. Sends nothing. */
function route(address: string, port: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    const end = (outcome: Outcome): void => {
      socket.removeAllListeners();
      socket.close();
      resolve(outcome);
    };
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      end({ reachable: false, detail: `UDP port ${port}: ${reasons[code ?? ''] ?? code ?? 'failed'}` });
    });
    socket.connect(port, address, () => end({ reachable: true, detail: `UDP port ${port}: there is a route` }));
  });
}

function tcp(host: string, port: number, timeoutMs: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const began = performance.now();
    const socket = connect({ host, port });
    const end = (outcome: Outcome): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(
      () => end({ reachable: false, detail: `TCP port ${port}: no answer in ${timeoutMs} ms` }),
      timeoutMs,
    );
    socket.once('connect', () => {
      end({ reachable: true, detail: `TCP port ${port} answers`, rttMs: milliseconds(performance.now() - began) });
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      end({ reachable: false, detail: `TCP port ${port}: ${reasons[error.code ?? ''] ?? error.code ?? 'failed'}` });
    });
  });
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the host answers, but nothing listens',
  EHOSTUNREACH: 'no way to the host',
  ENETUNREACH: 'no route to the network',
  ETIMEDOUT: 'no answer',
};

/** Time until a program runs. */
const startMs = 200;

/** Sends one ICMP echo with the system's `ping`, which may open a raw socket. */
function ping(target: string, timeoutMs: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const seconds = String(Math.max(1, Math.ceil(timeoutMs / 1000)));
    const child = spawn('ping', ['-n', '-c', '1', '-W', seconds, target], {
      env: { PATH: '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: timeoutMs + startMs,
    });
    let output = '';
    child.stdout.on('data', (data: Buffer) => {
      output = (output + data.toString()).slice(0, 4_000);
    });
    child.once('error', () => {
      resolve({ reachable: false, detail: 'ICMP: ping is not installed (apt-get install iputils-ping)' });
    });
    child.once('close', (code) => {
      const rtt = /\btime[=<]([\d.]+) ms/.exec(output)?.[1];
      if (code === 0) resolve({ reachable: true, detail: 'ICMP echo answers', ...(rtt && { rttMs: Number(rtt) }) });
      else resolve({ reachable: false, detail: 'ICMP echo: no answer' });
    });
  });
}

function milliseconds(value: number): number {
  return Math.round(value * 100) / 100;
}
