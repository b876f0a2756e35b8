import type { Duplex } from 'node:stream';
import { AgentMessage, type ControllerMessage } from '@sallyport/contract/channel';
import type { RawData, WebSocket } from 'ws';
import type { GatewayEntry } from './gateway-entry.ts';
import type { ChannelLimits } from './limits.ts';
import type { Session, SessionEffect, SessionInput } from './session.ts';
import { Alarm, type Timers } from './timers.ts';

export type LinkEnding = Extract<SessionEffect, { kind: 'end' }>;

export interface LinkHost {
  readonly clock: () => number;
  readonly timers: Timers;
  readonly limits: ChannelLimits;
  /** Effects that are not about the socket. */
  readonly carryOut: (link: Link, effect: Exclude<SessionEffect, { kind: 'send' | 'end' }>) => void;
  readonly sent: (message: ControllerMessage) => void;
  /** Called once, when the session is over. */
  readonly ended: (link: Link, ending: LinkEnding) => void;
  /** The peer has answered the end of its session, so it was there to read it. */
  readonly answered: (link: Link, ending: LinkEnding) => void;
}

/** How long a peer has to close its side after being told to. */
const lingerMs = 2_000;

/** RFC 6455, 7.1.5: no close frame came. */
const closedAbnormally = 1006;

/** The thin shell around one WebSocket: frames and time go into the session, its effects come out. */
export class Link {
  readonly source: string;
  readonly address: string | null;
  readonly session: Session;
  /** The gateway that it was admitted for. */
  entry: GatewayEntry | null = null;
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #host: LinkHost;
  readonly #alarm: Alarm;
  readonly #allowance: { left: number; at: number };
  #congested = false;
  #ending: LinkEnding | null = null;
  #bytesBeforeProof = 0;
  #cancelLinger: (() => void) | null = null;

  constructor(
    transport: { ws: WebSocket; socket: Duplex; source: string; address: string | null },
    session: Session,
    host: LinkHost,
  ) {
    this.source = transport.source;
    this.address = transport.address;
    this.session = session;
    this.#ws = transport.ws;
    this.#socket = transport.socket;
    this.#host = host;
    this.#alarm = new Alarm(host.timers, host.clock, () => this.input({ type: 'time' }));
    this.#allowance = { left: host.limits.messageBurst, at: host.clock() };
  }

  get over(): boolean {
    return this.session.phase === 'closed';
  }

  start(): void {
    this.#socket.on('data', this.#countBytes);
    this.#ws.on('message', (data, isBinary) => this.#frame(data, isBinary));
    this.#ws.on('ping', () => this.#spend());
    this.#ws.on('pong', () => this.#spend());
    // Protocol violations and resets; 'close' follows each of them.
    this.#ws.on('error', () => this.input({ type: 'lost' }));
    this.#ws.on('close', (code) => this.#closed(code));
    this.#alarm.set(this.session.nextDeadline()?.at ?? null);
  }

  /** The feed moved. A field, so that a queue knows it by identity. */
  readonly pump = (): void => this.input({ type: 'changed' });

  input(input: SessionInput): void {
    if (this.over) return;
    for (const effect of this.session.handle(input, this.#host.clock())) this.#perform(effect);
    if (!this.over) this.#alarm.set(this.session.nextDeadline()?.at ?? null);
  }

  /** Ends the connection because the controller goes away. */
  goAway(): void {
    this.input({ type: 'lost' });
    this.#close(1001);
  }

  #frame(data: RawData, isBinary: boolean): void {
    if (this.over || !this.#spend()) return;
    const message = isBinary ? null : parse(data);
    this.input(message ?? { type: 'garbage' });
  }

  /** Takes one message off the allowance; ends the connection when there is none left. */
  #spend(): boolean {
    if (this.over) return false;
    const { messageBurst, messagesPerSecond } = this.#host.limits;
    const now = this.#host.clock();
    const gained = ((now - this.#allowance.at) / 1000) * messagesPerSecond;
    this.#allowance.left = Math.min(messageBurst, this.#allowance.left + Math.max(0, gained)) - 1;
    this.#allowance.at = now;
    if (this.#allowance.left < 0) this.input({ type: 'rejected', code: 'busy' });
    return this.#allowance.left >= 0;
  }

  readonly #countBytes = (chunk: Buffer): void => {
    if (this.session.phase === 'live') this.#socket.off('data', this.#countBytes);
    this.#bytesBeforeProof += chunk.length;
    if (this.session.phase === 'live' || this.#bytesBeforeProof <= this.#host.limits.handshakeBytes) return;
    this.input({ type: 'garbage' });
    this.#ws.terminate();
  };

  #perform(effect: SessionEffect): void {
    if (effect.kind === 'send') this.#send(effect.message);
    else if (effect.kind === 'end') this.#end(effect);
    else this.#host.carryOut(this, effect);
  }

  #send(message: ControllerMessage): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    this.#ws.send(JSON.stringify(message), () => this.#flushed());
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
    if (ending.code === 'stalled' || ending.code === 'silent') this.#ws.terminate();
    else if (ending.code !== 'lost') this.#close(1008);
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

function parse(data: RawData): AgentMessage | null {
  try {
    const parsed = AgentMessage.safeParse(JSON.parse(data.toString()));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
