import type { CustomFetch } from 'openid-client';
import type { Egress } from '../../egress/egress.ts';
import { egressRequest } from '../../egress/request.ts';
import { NoAnswer, ProviderFailure } from './failure.ts';

const timeoutMs = 10_000;
const maxBytes = 512 * 1024;
/** Calls under way at once: to all providers, and to one host. */
const most = { all: 64, host: 8 } as const;

/** Calls providers within bounds on time, size, number and place. Redirects are failures. */
export class ProviderCalls {
  readonly #egress: Egress;
  readonly #running = new Map<string, number>();
  #all = 0;

  constructor(egress: Egress) {
    this.#egress = egress;
  }

  /** In the form that `openid-client` and `jose` take. Throws `NoAnswer` and `ProviderFailure`. */
  readonly fetch: CustomFetch = async (url, { method, headers, body }) => {
    const host = new URL(url).host;
    const running = this.#running.get(host) ?? 0;
    if (this.#all >= most.all || running >= most.host)
      throw new ProviderFailure('busy', 'Too many sign-ins are under way at once: try again');
    this.#all++;
    this.#running.set(host, running + 1);
    try {
      return await this.#send(url, method === 'POST' ? 'POST' : 'GET', headers, body);
    } finally {
      this.#all--;
      const left = (this.#running.get(host) ?? 1) - 1;
      if (left === 0) this.#running.delete(host);
      else this.#running.set(host, left);
    }
  };

  async #send(
    url: string,
    method: 'GET' | 'POST',
    headers: Record<string, string> = {},
    body: unknown = null,
  ): Promise<Response> {
    const sent = body === null ? {} : { body: String(body) };
    const answer = await egressRequest(this.#egress, {
      ...{ url, method, timeoutMs, maxBytes },
      headers: { ...Object.fromEntries(new Headers(headers)), 'user-agent': 'Sallyport' },
      ...sent,
    });
    if (!answer.ok) throw new NoAnswer(answer.reason, url);
    const { status } = answer;
    if (status >= 300 && status < 400) throw new NoAnswer('redirect', url);
    const type = answer.headers['content-type'];
    return new Response(status === 204 ? null : new Uint8Array(answer.body), {
      status: status >= 200 && status <= 599 ? status : 502,
      headers: type === undefined ? {} : { 'content-type': type },
    });
  }
}
