import http from 'node:http';

export type RequestsCall =
  | { op: 'requests-start'; id: string; url: string; everyMs: number; timeoutMs: number }
  | { op: 'requests-take' | 'requests-stop'; id: string };

/** One request: when it began (milliseconds of the system's monotonic clock), how long it took, how it ended. */
export interface RequestSample {
  readonly at: number;
  readonly ms: number;
  /** Text of the answer; missing when there was none. */
  readonly body?: string;
  /** Error code, or `timeout`; missing when there was an answer. */
  readonly error?: string;
}

/** Milliseconds of a clock that all processes of this machine share and nobody sets. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

interface Requests {
  readonly samples: RequestSample[];
  readonly pending: Set<Promise<void>>;
  readonly timer: NodeJS.Timeout;
}
const running = new Map<string, Requests>();

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

/** On a connection of its own, so that one that hangs holds up no other. */
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
