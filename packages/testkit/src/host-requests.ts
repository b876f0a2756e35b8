import http from 'node:http';

/** A call that concerns a series of requests. */
export type RequestsCall =
  | { op: 'requests-start'; id: string; url: string; everyMs: number; timeoutMs: number }
  | { op: 'requests-take' | 'requests-stop'; id: string };

/** One request: its start (milliseconds of the system's monotonic clock), its duration and its outcome. */
export interface RequestSample {
  readonly at: number;
  readonly ms: number;
  /** Text of the answer; absent without an answer. */
  readonly body?: string;
  /** Error code, or `timeout`; absent after an answer. */
  readonly error?: string;
}

/** Returns milliseconds of a monotonic clock that all processes of this machine share. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

interface Requests {
  readonly samples: RequestSample[];
  readonly pending: Set<Promise<void>>;
  readonly timer: NodeJS.Timeout;
}
const running = new Map<string, Requests>();

/** Carries out a call that concerns requests. */
export async function performRequests(call: RequestsCall): Promise<unknown> {
  if (call.op === 'requests-start') return start(call);
  const requests = running.get(call.id);
  if (requests === undefined) throw new Error(`no requests ${call.id}`);
  if (call.op === 'requests-stop') {
    clearInterval(requests.timer);
    running.delete(call.id);
    await Promise.all(requests.pending);
  }
  return requests.samples.splice(0);
}

function start({ id, url, everyMs, timeoutMs }: Extract<RequestsCall, { op: 'requests-start' }>): void {
  const samples: RequestSample[] = [];
  const pending = new Set<Promise<void>>();
  const timer = setInterval(() => {
    const at = monotonicMs();
    const request = ask(url, timeoutMs).then((outcome) => {
      samples.push({ at, ms: monotonicMs() - at, ...outcome });
      pending.delete(request);
    });
    pending.add(request);
  }, everyMs);
  running.set(id, { samples, pending, timer });
}

/** Uses a new connection, so that a blocked request does not delay others. */
function ask(url: string, timeoutMs: number): Promise<{ body: string } | { error: string }> {
  return new Promise((resolve) => {
    const request = http.get(url, { agent: false, signal: AbortSignal.timeout(timeoutMs) }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (part) => {
        body += part;
      });
      answer.on('end', () => resolve({ body }));
      answer.on('error', fail);
    });
    const fail = (error: NodeJS.ErrnoException) =>
      resolve({
        error: error.name === 'AbortError' || error.name === 'TimeoutError' ? 'timeout' : (error.code ?? error.name),
      });
    request.on('error', fail);
  });
}
