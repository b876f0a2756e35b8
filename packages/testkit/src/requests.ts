import type { Host } from './host.ts';
import type { RequestSample } from './host-requests.ts';
import { uniqueTag } from './netns.ts';
import { patienceMs, until } from './wait.ts';

/**
 * A series of HTTP requests of a host, each on a new connection, without waiting for the previous one. A server of
 * `Host.listenHttpSource` answers with the source address, which tells masquerading gateways apart.
 */
export class RequestStream {
  readonly #host: Host;
  readonly #id: string;
  readonly #samples: RequestSample[] = [];

  private constructor(host: Host, id: string) {
    this.#host = host;
    this.#id = id;
  }

  static async start(
    host: Host,
    url: string,
    { everyMs = 50, timeoutMs = 1000 }: { everyMs?: number; timeoutMs?: number } = {},
  ): Promise<RequestStream> {
    const id = uniqueTag();
    await host.call({ op: 'requests-start', id, url, everyMs, timeoutMs });
    return new RequestStream(host, id);
  }

  /** All finished requests, in the order of their end. */
  async samples(): Promise<readonly RequestSample[]> {
    return this.#keep((await this.#host.call({ op: 'requests-take', id: this.#id })) as RequestSample[]);
  }

  /** Waits for the first answer to a request started at `since` or later, with the given `body` if any. */
  async answered(since: number, body?: string, timeoutMs = patienceMs): Promise<RequestSample> {
    const good = (sample: RequestSample) =>
      sample.at >= since && sample.body !== undefined && (body === undefined || sample.body === body);
    const find = async () => (await this.samples()).find(good);
    return until(`an answer${body === undefined ? '' : ` "${body}"`}`, find, { timeoutMs, everyMs: 20 }).catch(
      (error) => {
        const last = JSON.stringify(this.#samples.slice(-3));
        throw new Error(`${(error as Error).message}; the last requests were ${last}`);
      },
    );
  }

  /** Stops the series, waits for outstanding requests, and returns all. */
  async stop(): Promise<readonly RequestSample[]> {
    return this.#keep((await this.#host.call({ op: 'requests-stop', id: this.#id })) as RequestSample[]);
  }

  #keep(more: readonly RequestSample[]): readonly RequestSample[] {
    this.#samples.push(...more);
    return this.#samples;
  }
}

/** An outage in a series of requests. */
export interface Outage {
  /** Requests started during the outage that got no answer. */
  readonly failed: number;
  /**
   * Time from `since` to the first answer after the last failure; 0 without a failure, null when no answer followed.
   */
  readonly ms: number | null;
}

/** Returns the outage that an event at `since` caused, until answers return for good. */
export function outageOf(samples: readonly RequestSample[], since: number): Outage {
  const after = samples.filter(({ at }) => at >= since).sort((a, b) => a.at - b.at);
  const failures = after.filter(({ body }) => body === undefined);
  const last = failures.at(-1);
  if (last === undefined) return { failed: 0, ms: 0 };
  const back = after.find(({ at }) => at > last.at);
  return { failed: failures.length, ms: back === undefined ? null : back.at + back.ms - since };
}
