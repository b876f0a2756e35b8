import type { Duplex } from 'node:stream';
import {
  type AgentMessage,
  type ControllerMessage,
  liveBounds,
  readAgentMessage,
  type SealedChannel,
} from '@sallyport/contract/channel';
import type { RawData, WebSocket } from 'ws';
import type { AgentEntry } from './agent-entry.ts';
import { Allowance } from './allowance.ts';
import type { ChannelLimits } from './limits.ts';
import type { Session } from './session.ts';
import type { SessionEffect, SessionInput } from './session-types.ts';
import { Alarm, type Timers } from './timers.ts';
import type { WorkQueue } from './work-queue.ts';

/** Why a link ended, and in which phase. */
export type LinkEnding = Extract<SessionEffect, { kind: 'end' }>;

/** Parts of the channel that a link uses, and its callbacks. */
export interface LinkHost {
  readonly clock: () => number;
  readonly timers: Timers;
  readonly limits: ChannelLimits;
  readonly queue: WorkQueue;
  /** Whether agents belong to other processes by now, and nothing that they sent counts here. */
  readonly isCutOff: () => boolean;
  /** Carries out effects that do not concern the socket. */
  readonly carryOut: (link: Link, effect: Exclude<SessionEffect, { kind: 'send' | 'seal' | 'end' }>) => void;
  readonly sent: (message: ControllerMessage) => void;
  /** Called once, when the session is over. */
  readonly ended: (link: Link, ending: LinkEnding) => void;
  /** The peer answered the end of its session, so it has read it. */
  readonly answered: (link: Link, ending: LinkEnding) => void;
  /** A callback of the connection threw. The connection is cut afterwards. */
  readonly failed: (link: Link, error: unknown) => void;
}

/** How long a peer may take to close its side after the close frame. */
const lingerMs = 2_000;

/** Time after which a deadline is looked at again that passed while a frame waited. */
const waitMs = 1_000;

/** Endings after which the peer does not read any more. */
const atOnce: ReadonlySet<LinkEnding['code']> = new Set(['stalled', 'silent', 'evicted']);

/**
 * Twice the size of one read from the socket: the end of one message and the beginning of the next may come together.
 */
const chunkBytes = 128 * 1024;

/** RFC 6455, 7.1.5: no close frame came. */
const closedAbnormally = 1006;

/** The thin shell around one WebSocket. Frames and time go into the session; the shell carries out its effects. */
export class Link {
  readonly sources: readonly string[];
  readonly address: string | null;
  readonly session: Session;
  /** Entry of the gateway or device that the agent was admitted for. */
  entry: AgentEntry | null = null;
  readonly #ws: WebSocket;
  readonly socket: Duplex;
  readonly #host: LinkHost;
  readonly #alarm: Alarm;
  readonly #messages: Allowance;
  readonly #bytes: Allowance;
  #channel: SealedChannel | null = null;
  #congested = false;
  #ending: LinkEnding | null = null;
  #bytesBeforeProof = 0;
  /** Bytes received since the last whole message, including the chunk with its end. */
  #unread = 0;
  #failed = false;
  /** A frame of the handshake that waits for its turn. */
  #waits = false;
  #cancelLinger: (() => void) | null = null;

  constructor(
    transport: { ws: WebSocket; socket: Duplex; sources: readonly string[]; address: string | null },
    session: Session,
    host: LinkHost,
  ) {
    this.sources = transport.sources;
    this.address = transport.address;
    this.session = session;
    this.#ws = transport.ws;
    this.socket = transport.socket;
    this.#host = host;
    this.#alarm = new Alarm(host.timers, host.clock, () => this.#time());
    const { messageBurst, messagesPerSecond, byteBurst, bytesPerSecond } = host.limits;
    this.#messages = new Allowance(messageBurst, messagesPerSecond, host.clock());
    this.#bytes = new Allowance(byteBurst, bytesPerSecond, host.clock());
  }

  get over(): boolean {
    return this.session.phase === 'closed';
  }

  start(): void {
    this.socket.on('data', this.#countBytes);
    links.set(this.#ws, this);
    this.#ws.on('message', onMessage).on('ping', onPing).on('pong', onPing).on('error', onError).on('close', onClose);
    this.#alarm.set(this.session.nextDeadline()?.at ?? null);
  }

  /** Time that the agent's frame waits here is not the agent's. */
  #time(): void {
    if (this.#waits) this.#alarm.set(this.#host.clock() + waitMs);
    else this.input({ type: 'time' });
  }

  /** Takes an event of the socket. Does not throw: a failure of one connection ends that connection. */
  take(event: SocketEvent): void {
    try {
      if (event.kind === 'message' && this.#host.isCutOff()) this.input({ type: 'rejected', code: 'busy' });
      else if (event.kind === 'message') this.#arrived(event.data, event.isBinary);
      else if (event.kind === 'ping') this.#spend(0);
      else if (event.kind === 'close') this.#closed(event.code);
      // Protocol violations and resets; 'close' follows each of them.
      else this.input({ type: 'lost' });
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The feed changed. A field, because the queue compares tasks by identity. */
  readonly pump = (): void => this.input({ type: 'changed' });

  /** Does not throw: a failure of one connection ends that connection. */
  input(input: SessionInput): void {
    if (this.over) return;
    try {
      const effects = this.session.handle(input, this.#host.clock());
      if (effects.length > 1) this.#performTogether(effects);
      else for (const effect of effects) this.#perform(effect);
      if (!this.over) this.#alarm.set(this.session.nextDeadline()?.at ?? null);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#host.failed(this, error);
    this.#ws.terminate();
    // Only once: when ending the session fails too, there is nothing left to try.
    if (this.#failed) return;
    this.#failed = true;
    this.input({ type: 'lost' });
  }

  /** Ends the connection because the controller stops. */
  goAway(): void {
    this.input({ type: 'lost' });
    this.#close(1001);
  }

  /**
   * Frames of handshakes take a millisecond each, and come in hundreds at once after a restart. They wait for their turn,
   * so that they do not hold the event loop together. An agent sends none before the last one is answered.
   */
  #arrived(data: RawData, isBinary: boolean): void {
    this.#unread = 0;
    const { phase } = this.session;
    if (this.#waits) this.input({ type: 'garbage' });
    else if (phase !== 'greeting' && phase !== 'proving') this.#frame(data, isBinary);
    else {
      this.#waits = true;
      const arrived = this.#host.clock();
      this.#host.queue.add(() => this.#turn(data, isBinary, arrived), 'arrivals');
    }
  }

  #turn(data: RawData, isBinary: boolean, arrived: number): void {
    this.#waits = false;
    this.session.delayed(this.#host.clock() - arrived);
    try {
      this.#frame(data, isBinary);
    } catch (error) {
      this.#fail(error);
    }
  }

  #frame(data: RawData, isBinary: boolean): void {
    const bytes = bytesOf(data);
    if (this.over || !this.#spend(bytes.length)) return;
    const text = this.#plain(bytes, isBinary);
    this.input((text === null ? null : this.#read(text)) ?? { type: 'garbage' });
  }

  /** Parses only messages that the role may send in this phase. While the directory is asked, there are none. */
  #read(text: string): AgentMessage | null {
    const { phase, role } = this.session;
    return phase === 'admitting' || phase === 'closed' ? null : readAgentMessage(text, phase, role);
  }

  /** Returns null for a frame that is not sealed as it must be, or is sealed too early. */
  #plain(bytes: Buffer, isBinary: boolean): string | null {
    if (this.#channel === null) return isBinary ? null : bytes.toString();
    return isBinary ? this.#channel.open(bytes) : null;
  }

  /** Spends one message and its bytes from the agent's allowance. Ends the connection when it is empty. */
  #spend(bytes: number): boolean {
    if (this.over) return false;
    const now = this.#host.clock();
    const left = this.#messages.spend(1, now) && this.#bytes.spend(bytes, now);
    if (!left) this.input({ type: 'rejected', code: 'busy' });
    return left;
  }

  /** Ends the connection before it buffers more than the largest message of the role and phase. */
  readonly #countBytes = (chunk: Buffer): void => {
    const live = this.session.phase === 'live';
    this.#unread += chunk.length;
    if (!live) this.#bytesBeforeProof += chunk.length;
    const { handshakeBytes, frameBytes } = this.#host.limits;
    const most = Math.min(frameBytes, liveBounds[this.session.role].length) + chunkBytes;
    if (live ? this.#unread <= most : this.#bytesBeforeProof <= handshakeBytes) return;
    this.input({ type: 'garbage' });
    this.#ws.terminate();
  };

  /** Writes the messages of one step with one system call. */
  #performTogether(effects: readonly SessionEffect[]): void {
    this.socket.cork();
    try {
      for (const effect of effects) this.#perform(effect);
    } finally {
      this.socket.uncork();
    }
  }

  #perform(effect: SessionEffect): void {
    if (effect.kind === 'send') this.#send(effect.message);
    else if (effect.kind === 'seal') this.#channel = effect.channel;
    else if (effect.kind === 'end') this.#end(effect);
    else this.#host.carryOut(this, effect);
  }

  #send(message: ControllerMessage): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    const text = JSON.stringify(message);
    this.#ws.send(this.#channel === null ? text : this.#channel.seal(text), () => this.#flushed());
    this.#host.sent(message);
    if (!this.#congested && this.#ws.bufferedAmount > this.#host.limits.highWater) {
      this.#congested = true;
      this.input({ type: 'congested' });
    }
  }

  #flushed(): void {
    if (!this.#congested || this.#ws.bufferedAmount > this.#host.limits.lowWater) return;
    this.#congested = false;
    this.input({ type: 'drained' });
  }

  #end(ending: LinkEnding): void {
    this.#alarm.stop();
    this.#ending = ending;
    if (atOnce.has(ending.code)) this.#ws.terminate();
    else if (ending.code !== 'lost') this.#close(1008);
    this.#channel = null;
    this.#host.ended(this, ending);
  }

  #close(code: number): void {
    if (this.#ws.readyState === this.#ws.CLOSED) return;
    this.#ws.close(code);
    this.#cancelLinger ??= this.#host.timers.after(lingerMs, () => this.#ws.terminate());
  }

  #closed(code: number): void {
    this.#cancelLinger?.();
    if (this.#ending !== null && code !== closedAbnormally) this.#host.answered(this, this.#ending);
    this.input({ type: 'lost' });
  }
}

/** Event of a WebSocket. A ping and its answer count alike. */
type SocketEvent =
  | { readonly kind: 'message'; readonly data: RawData; readonly isBinary: boolean }
  | { readonly kind: 'ping' | 'error' }
  | { readonly kind: 'close'; readonly code: number };

/** The link of each socket. Sockets are many, so that all of them have the same listeners. */
const links = new WeakMap<WebSocket, Link>();

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  links.get(this)?.take({ kind: 'message', data, isBinary });
}

function onPing(this: WebSocket): void {
  links.get(this)?.take({ kind: 'ping' });
}

function onError(this: WebSocket): void {
  links.get(this)?.take({ kind: 'error' });
}

function onClose(this: WebSocket, code: number): void {
  links.get(this)?.take({ kind: 'close', code });
}

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? Buffer.from(data) : data;
}
