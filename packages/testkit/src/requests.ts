import type { Host } from './host.ts';
import type { RequestSample } from './host-requests.ts';
import { uniqueTag } from './netns.ts';
import { patienceMs, until } from './wait.ts';

/**
 * HTTP requests that a host sends one after another, each on a new connection, without waiting for the one before. With a
 * server of `Host.listenHttpSource` the answer names the address that the request came from, which tells the gateways apart
 * where they masquerade.
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

  /** All that have ended so far, in the order in which they ended. */
  async samples(): Promise<readonly RequestSample[]> {
    return this.#keep((await this.#host.call({ op: 'requests-take', id: this.#id })) as RequestSample[]);
  }

  /** Waits for the first answer to a request that began at `since` or later; only one with `body`, if it is given. */
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

  /** Ends it, waits for those on their way, and returns all. */
  async stop(): Promise<readonly RequestSample[]> {
    return this.#keep((await this.#host.call({ op: 'requests-stop', id: this.#id })) as RequestSample[]);
  }

  #keep(more: readonly RequestSample[]): readonly RequestSample[] {
    this.#samples.push(...more);
    return this.#samples;
  }
}

export interface Outage {
  /** Requests that began within the outage and got no answer. */
  readonly failed: number;
  /** From `since` until the first answer after the last failure came; 0 when nothing failed, null when none came any more. */
  readonly ms: number | null;
}

/** What an event at `since` cost: everything from there until answers come again for good. */
export function outageOf(samples: readonly RequestSample[], since: number): Outage {
  const after = samples.filter(({ at }) => at >= since).sort((a, b) => a.at - b.at);
  const failures = after.filter(({ body }) => body === undefined);
  const last = failures.at(-1);
  if (last === undefined) return { failed: 0, ms: 0 };
  const back = after.find(({ at }) => at > last.at);
  return { failed: failures.length, ms: back === undefined ? null : back.at + back.ms - since };
}
