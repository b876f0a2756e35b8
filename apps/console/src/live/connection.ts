import type { LiveMessage, LiveTopics } from '@sallyport/contract';

/** How the page is connected to the controller. Times are epoch milliseconds. */
export type Live =
  | { readonly state: 'connecting' | 'live' }
  /** `since`: what the page shows is from then. `next`: the next attempt; null: it is under way. */
  | { readonly state: 'lost'; readonly since: number; readonly next: number | null };

/** What a connection tells. */
export interface ConnectionEvents {
  readonly message: (message: LiveMessage) => void;
  readonly state: (state: Live) => void;
  /** The controller ended the stream or refused it: the session may have ended, or the role changed. */
  readonly refused: () => void;
}

/** Without a byte for this long, the connection is taken for dead, milliseconds. Comments come every 15 seconds. */
const silenceMs = 40_000;
/** Pauses between attempts: the first and the longest, milliseconds. */
const pauses = { first: 1000, longest: 30_000 };

/** The stream of this browser. It connects again, and goes on after the last revision that it saw, until it is stopped. */
export class LiveConnection {
  readonly #events: ConnectionEvents;
  readonly #stop = new AbortController();
  #revision: number | null;
  /** Everything must be read again: the controller ended the last stream, and another person may be signed in now. */
  #reload = false;
  #seenAt = Date.now();
  #stream: string | null = null;
  #topics: LiveTopics = {};
  #putting = false;
  #wake: () => void = () => undefined;

  /** `revision`: what the page shows; null: it shows nothing yet. */
  constructor(revision: number | null, events: ConnectionEvents) {
    this.#revision = revision;
    this.#events = events;
    addEventListener('online', () => this.#wake(), { signal: this.#stop.signal });
    void this.#run();
  }

  stop(): void {
    this.#stop.abort();
    this.#wake();
  }

  follow(topics: LiveTopics): void {
    this.#topics = topics;
    void this.#putTopics();
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#stop.signal.aborted; failures++) {
      if (failures > 0) await this.#pause(failures);
      if (this.#stop.signal.aborted) return;
      try {
        for await (const message of this.#messages()) {
          if (message.stream !== undefined) {
            failures = 0;
            this.#began(message.stream);
          }
          this.#revision = message.revision;
          this.#events.message(this.#reload ? { ...message, reload: true } : message);
          this.#reload = false;
        }
        this.#refused();
      } catch (error) {
        if (error instanceof Refused) this.#refused();
      }
      this.#stream = null;
    }
  }

  #began(stream: string): void {
    this.#stream = stream;
    this.#events.state({ state: 'live' });
    void this.#putTopics();
  }

  #refused(): void {
    this.#revision = null;
    this.#reload = true;
    this.#events.refused();
  }

  async *#messages(): AsyncGenerator<LiveMessage> {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), silenceMs);
    const signal = AbortSignal.any([silence.signal, this.#stop.signal]);
    try {
      const headers: Record<string, string> = this.#revision === null ? {} : { 'last-event-id': `${this.#revision}` };
      const answer = await fetch('/tenants/live', { credentials: 'same-origin', headers, signal });
      if (!answer.ok || answer.body === null) throw answer.status < 500 ? new Refused() : new Error('no stream');
      for await (const text of textsOf(answer.body)) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), silenceMs);
        this.#seenAt = Date.now();
        if (text !== null) yield JSON.parse(text);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async #pause(failures: number): Promise<void> {
    const ms = pauseAfter(failures);
    const since = this.#seenAt;
    this.#events.state({ state: 'lost', since, next: Date.now() + ms });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    if (!this.#stop.signal.aborted) this.#events.state({ state: 'lost', since, next: null });
  }

  /** Puts the topics, one request at a time. A new stream gets them again. */
  async #putTopics(): Promise<void> {
    if (this.#putting) return;
    this.#putting = true;
    let done: LiveTopics | null = null;
    for (let stream = this.#stream; stream !== null && done !== this.#topics; stream = this.#stream) {
      const topics: LiveTopics = this.#topics;
      const answer = await put(stream, topics, this.#stop.signal);
      // A stream that is unknown to the controller has ended, and this side learns it soon.
      if (answer === null && !this.#stop.signal.aborted) await wait(pauses.first);
      else if (stream === this.#stream) done = topics;
    }
    this.#putting = false;
  }
}

/** Returns a pause that is not the same for all browsers: they lose a controller that restarts at the same moment. */
function pauseAfter(failures: number): number {
  const [spread = 0] = crypto.getRandomValues(new Uint8Array(1));
  return Math.min(pauses.longest, pauses.first * 2 ** (failures - 1)) * (0.75 + spread / 512);
}

const put = (stream: string, topics: LiveTopics, signal: AbortSignal): Promise<Response | null> =>
  fetch(`/tenants/live/${stream}`, {
    method: 'PUT',
    credentials: 'same-origin',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(topics),
    signal,
  }).catch(() => null);

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The controller answered that this caller gets no stream. */
class Refused extends Error {}

/** Data of the events of a stream; null for a part without an event, such as a comment. */
async function* textsOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string | null> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const blocks = (rest + part.value).split('\n\n');
      rest = blocks.pop() ?? '';
      yield null;
      for (const block of blocks) {
        const data = block.split('\n').find((line) => line.startsWith('data: '));
        if (data !== undefined) yield data.slice('data: '.length);
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
