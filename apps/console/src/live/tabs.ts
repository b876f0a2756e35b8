import type { LiveMessage, LiveTopics } from '@sallyport/contract';
import { type Live, LiveConnection } from './connection.ts';
import { joinTopics, LatestState } from './topics.ts';

/** What this tab is told. */
export interface TabEvents {
  readonly message: (message: LiveMessage) => void;
  readonly state: (state: Live) => void;
  readonly refused: () => void;
}

/** What tabs of one browser tell each other. */
type Told =
  | { readonly kind: 'leads' }
  | { readonly kind: 'follows'; readonly tab: string; readonly topics: LiveTopics }
  | { readonly kind: 'left'; readonly tab: string }
  | { readonly kind: 'message'; readonly message: LiveMessage }
  | { readonly kind: 'known'; readonly tab: string; readonly state: Live; readonly message: LiveMessage }
  | { readonly kind: 'state'; readonly state: Live };

/** Name of the lock whose holder has the stream, and of the channel. */
const shared = 'sallyport-live';
/** A leader says this often that it is there, milliseconds. */
const beatMs = 10_000;
/** A tab that hears nothing of the leader for this long takes its place: it is frozen or stuck. */
const silentMs = 25_000;
/** A tab stays in place for this long after it is hidden: people look away for a moment. */
const hiddenMs = 3000;

/**
 * The live stream of a browser, shared by its tabs. Browsers allow six connections to one HTTP/1.1 server. The visible tab
 * that holds a lock has the stream, and follows what all visible tabs show. Hidden tabs take no part, and cost nothing.
 */
export class SharedLive {
  readonly #id = crypto.randomUUID();
  readonly #events: TabEvents;
  readonly #end = new AbortController();
  #channel: BroadcastChannel | null = null;
  #part: AbortController | null = null;
  #lead: Lead | null = null;
  #topics: LiveTopics = {};
  #revision: number | null = null;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #hidden: ReturnType<typeof setTimeout> | undefined;

  constructor(events: TabEvents) {
    this.#events = events;
    const { signal } = this.#end;
    // Held as long as the tab lives, so that others notice its end.
    navigator.locks.request(`${shared}-${this.#id}`, { signal }, () => ended(signal)).catch(() => undefined);
    document.addEventListener('visibilitychange', () => this.#look(), { signal });
    addEventListener('pagehide', () => this.#leave(), { signal });
    addEventListener('pageshow', () => this.#look(), { signal });
    this.#look();
  }

  follow(topics: LiveTopics): void {
    this.#topics = topics;
    if (this.#lead !== null) this.#lead.follows(this.#id, topics);
    else this.#tell({ kind: 'follows', tab: this.#id, topics });
  }

  stop(): void {
    this.#leave();
    this.#end.abort();
  }

  #look(): void {
    clearTimeout(this.#hidden);
    if (document.visibilityState === 'visible') this.#join();
    else this.#hidden = setTimeout(() => this.#leave(), hiddenMs);
  }

  #join(): void {
    if (this.#part !== null || this.#end.signal.aborted) return;
    this.#part = new AbortController();
    this.#channel = new BroadcastChannel(shared);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.follow(this.#topics);
    this.#compete({ signal: this.#part.signal });
    this.#heard();
  }

  #leave(): void {
    clearTimeout(this.#hidden);
    clearTimeout(this.#silence);
    this.#tell({ kind: 'left', tab: this.#id });
    this.#part?.abort();
    this.#part = null;
    this.#channel?.close();
    this.#channel = null;
  }

  /** Waits for the lock, or takes it away from a silent tab. */
  #compete(how: LockOptions): void {
    const part = this.#part?.signal;
    if (part === undefined) return;
    navigator.locks
      .request(shared, how, () => this.#leadUntil(part))
      // The tab has left, or another tab took the lock.
      .catch(() => this.#lead?.stop());
  }

  async #leadUntil(part: AbortSignal): Promise<void> {
    if (part.aborted) return;
    clearTimeout(this.#silence);
    const lead = new Lead(this.#revision, {
      tell: (told) => this.#tell(told),
      message: (message) => this.#take(message),
      state: this.#events.state,
      refused: this.#events.refused,
    });
    this.#lead = lead;
    lead.follows(this.#id, this.#topics);
    part.addEventListener('abort', () => lead.stop(), { once: true });
    await ended(lead.signal);
    if (this.#lead === lead) this.#lead = null;
    if (this.#part?.signal !== part) return;
    // Another tab took the lock while this one was stuck.
    this.#compete({ signal: part });
    this.#heard();
  }

  #hear(told: Told): void {
    if (this.#lead !== null) {
      if (told.kind === 'follows') this.#lead.follows(told.tab, told.topics);
      else if (told.kind === 'left') this.#lead.left(told.tab);
      return;
    }
    this.#heard();
    if (told.kind === 'leads') this.follow(this.#topics);
    else if (told.kind === 'message') this.#take(told.message);
    else if (told.kind === 'state') this.#events.state(told.state);
    else if (told.kind === 'known' && told.tab === this.#id) {
      this.#events.state(told.state);
      this.#take(told.message);
    }
  }

  #heard(): void {
    clearTimeout(this.#silence);
    if (this.#lead === null) this.#silence = setTimeout(() => this.#compete({ steal: true }), silentMs);
  }

  /** A later revision without its changes means that this tab was hidden while another tab had the stream. */
  #take(message: LiveMessage): void {
    const before = this.#revision;
    const { changes, reload, revision } = message;
    const missed = before !== null && revision > before && changes === undefined && reload !== true && !this.#leads;
    this.#revision = revision;
    this.#events.message(missed ? { ...message, reload: true } : message);
  }

  get #leads(): boolean {
    return this.#lead !== null;
  }

  #tell(told: Told): void {
    this.#channel?.postMessage(told);
  }
}

interface LeadEvents extends TabEvents {
  readonly tell: (told: Told) => void;
}

/** The tab that has the stream. It follows what all tabs show, and tells them what comes. */
class Lead {
  readonly #events: LeadEvents;
  readonly #connection: LiveConnection;
  readonly #tabs = new Map<string, LiveTopics>();
  readonly #watched = new Set<string>();
  #followed = '';
  readonly #latest = new LatestState();
  readonly #end = new AbortController();
  readonly #beat: ReturnType<typeof setInterval>;
  #state: Live = { state: 'connecting' };
  #revision = 0;

  constructor(revision: number | null, events: LeadEvents) {
    this.#events = events;
    this.#connection = new LiveConnection(revision, {
      message: (message) => this.#message(message),
      state: (state) => this.#tellState(state),
      refused: events.refused,
    });
    events.tell({ kind: 'leads' });
    this.#beat = setInterval(() => events.tell({ kind: 'state', state: this.#state }), beatMs);
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  follows(tab: string, topics: LiveTopics): void {
    this.#watch(tab);
    this.#tabs.set(tab, topics);
    this.#follow();
    const message = this.#latest.of(topics, this.#revision);
    if (this.#revision > 0) this.#events.tell({ kind: 'known', tab, state: this.#state, message });
  }

  left(tab: string): void {
    if (this.#tabs.delete(tab)) this.#follow();
  }

  stop(): void {
    clearInterval(this.#beat);
    this.#connection.stop();
    this.#end.abort();
  }

  /** A tab that crashes says nothing, but the browser frees its lock. */
  #watch(tab: string): void {
    if (this.#watched.has(tab)) return;
    this.#watched.add(tab);
    navigator.locks
      .request(`${shared}-${tab}`, { signal: this.#end.signal, mode: 'shared' }, () => this.left(tab))
      .catch(() => undefined);
  }

  #follow(): void {
    const topics = joinTopics(this.#tabs.values());
    const text = JSON.stringify(topics);
    if (text === this.#followed) return;
    this.#followed = text;
    this.#latest.keepOnly(topics);
    this.#connection.follow(topics);
  }

  #message(message: LiveMessage): void {
    this.#revision = message.revision;
    this.#latest.note(message);
    this.#events.message(message);
    this.#events.tell({ kind: 'message', message });
  }

  #tellState(state: Live): void {
    this.#state = state;
    this.#events.state(state);
    this.#events.tell({ kind: 'state', state });
  }
}

const ended = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
