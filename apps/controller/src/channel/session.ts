import type { AgentRole, ControllerMessage, KeyExchange, Mapping } from '@sallyport/contract/channel';
import { channelProtocols, type Transcript, transcriptText } from '@sallyport/contract/channel';
import { Delivery, type DeliverySettings } from './delivery.ts';
import { itemsFor } from './items-for.ts';
import {
  type ControllerIdentity,
  type ControllerKey,
  followsSuccessions,
  keyFor,
  successionsFor,
  verifyText,
} from './keys.ts';
import type { ChannelLimits } from './limits.ts';
import { protocolRefusal, type RefusalCode, refusal } from './refusals.ts';
import { type Steps, transitions } from './session-transitions.ts';
import type { Hello, Phase, Proof, Report, SessionEffect, SessionEvent, SessionInput } from './session-types.ts';
import type { DesiredState } from './types.ts';

/** Settings of a session. */
export interface SessionSettings {
  readonly identity: ControllerIdentity;
  /** 32 random bytes, base64. */
  readonly nonce: string;
  readonly exchange: KeyExchange;
  readonly limits: ChannelLimits;
}

type Handshake = Pick<SessionSettings, 'nonce' | 'exchange'>;

const undecided: Mapping = { kind: 'undecided' };
const undecidedText = JSON.stringify(undecided);

/** The controller's side of one connection of an agent, as a state machine: inputs and the time in, effects out. */
export class Session {
  readonly #identity: ControllerIdentity;
  /** Key that this connection has, until it ends. */
  #key: ControllerKey;
  readonly #limits: ChannelLimits;
  /** What only the handshake needs; null once the agent is admitted, because live sessions are many. */
  #handshake: Handshake | null;
  #phase: Phase = 'greeting';
  #role: AgentRole = 'gateway';
  #protocol = 0;
  /** The agent's first message, until the agent is admitted. */
  #hello: Hello | null = null;
  #proof: Proof | null = null;
  #delivery: Delivery | null = null;
  #deadline: number;
  #heardAt: number;
  #heartbeatMs = 0;
  #congestedAt: number | null = null;
  #mapping: () => Mapping = () => undecided;
  /** Mapping that the agent knows, as JSON. */
  #mappingTold = undecidedText;

  /** What the table of transitions names. One table for all sessions, because live sessions are many. */
  static readonly #steps: StepsOfSession = {
    challenge: (session, hello) => session.#challenge(hello),
    prove: (session, proof) => session.#prove(proof),
    report: (session, message, now) => session.#report(message, now),
    gatewayReport: (session, message, now) => session.#reportOf('gateway', message, now),
    deviceReport: (session, message, now) => session.#reportOf('device', message, now),
    needSnapshot: (session, _, now) => session.#needSnapshot(now),
    admitted: (session, input, now) => session.#admitted(input, now),
    reject: (session, { code }) => session.#refuse(code),
    flush: (session, _, now) => session.#flush(now),
    loaded: (session, { state }, now) => session.#loaded(state, now),
    congested: (session, _, now) => session.#congested(now),
    drained: (session, _, now) => session.#drained(now),
    ask: (_, { request }) => send({ type: 'probe', request }),
    punch: (_, { message }) => send(message),
    askUpgrade: (_, { message }) => send(message),
    answerName: (_, { message }) => send(message),
    handshakeTime: (session, _, now) => session.#handshakeTime(now),
    liveTime: (session, _, now) => session.#liveTime(now),
    evict: (session) => session.#end('evicted'),
    lose: (session) => session.#end('lost'),
    unexpected: (session) => session.#refuse('bad-message'),
    ignore: () => [],
  };

  constructor(settings: SessionSettings, now: number) {
    const { identity, limits, nonce, exchange } = settings;
    this.#identity = identity;
    this.#key = identity.key;
    this.#limits = limits;
    this.#handshake = { nonce, exchange };
    this.#deadline = now + limits.handshakeMs;
    this.#heardAt = now;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Role that the agent claims; `gateway` until it has claimed one. */
  get role(): AgentRole {
    return this.#role;
  }

  /** Whether a new connection of this agent would have another key of the controller. */
  get hasOldKey(): boolean {
    return this.#key !== keyFor(this.#identity, this.#protocol);
  }

  /** Whether the agent has followed to the present key of the controller. */
  get knowsKey(): boolean {
    return this.#protocol >= followsSuccessions && this.#key === this.#identity.key;
  }

  get leaseUntil(): number | null {
    return this.#delivery?.leaseUntil ?? null;
  }

  handle(input: SessionInput, now: number): SessionEffect[] {
    const step = Session.#steps[transitions[this.#phase][input.type]];
    return (step as Step)(this, input, now);
  }

  /** The agent waited so long for its turn, milliseconds. It gets that time back. */
  delayed(ms: number): void {
    this.#deadline += Math.min(Math.max(0, ms), this.#limits.handshakeMs);
  }

  nextDeadline(): { at: number; why: string } | null {
    switch (this.#phase) {
      case 'greeting':
      case 'proving':
        return { at: this.#deadline, why: 'handshake' };
      case 'admitting':
      case 'closed':
        return null;
      case 'live':
        return this.#liveDeadline();
    }
  }

  /** Proves the controller before the agent sends anything secret, and seals all later messages. */
  #challenge(hello: Hello): SessionEffect[] {
    if (!channelProtocols.includes(hello.protocol))
      return [...send(protocolRefusal(hello.protocol)), ...this.#end('protocol')];
    if (this.#handshake === null) return this.#refuse('bad-message');
    const { nonce, exchange } = this.#handshake;
    this.#key = keyFor(this.#identity, hello.protocol);
    const transcript = this.#transcript(hello, this.#handshake);
    const channel = exchange.agree(hello.ephemeral, transcript);
    if (channel === null) return this.#refuse('bad-message');
    this.#hello = hello;
    this.#role = hello.role;
    this.#protocol = hello.protocol;
    this.#phase = 'proving';
    const signature = this.#key.sign(transcriptText('controller', transcript));
    const keys = { nonce, ephemeral: exchange.publicKey, controllerKey: this.#key.publicKey };
    const successions = successionsFor(this.#identity, hello.protocol);
    const challenge = send({ type: 'challenge', protocol: hello.protocol, ...keys, signature, ...successions });
    return [...challenge, { kind: 'seal', channel }];
  }

  #prove(proof: Proof): SessionEffect[] {
    const [hello, handshake] = [this.#hello, this.#handshake];
    if (hello === null || handshake === null) return this.#refuse('bad-message');
    const transcript = this.#transcript(hello, handshake);
    const { wireguardPublicKey, wireguardProof } = proof;
    const holdsKey = handshake.exchange.proves(wireguardPublicKey, wireguardProof, transcript);
    if (!verifyText(hello.identityKey, transcriptText('agent', transcript), proof.signature))
      return this.#refuse('bad-signature');
    if (!holdsKey) return this.#refuse('bad-possession');
    this.#proof = proof;
    this.#phase = 'admitting';
    return [{ kind: 'admit', hello, proof }];
  }

  #admitted(input: Extract<SessionEvent, { type: 'admitted' }>, now: number): SessionEffect[] {
    const { leaseMs, leaseFrom, feed, state, name, mapping, heartbeatMs } = input;
    this.#heartbeatMs = heartbeatMs;
    this.#mapping = mapping;
    const { deltaGapMs, mostDeltaGapMs, snapshotGapMs } = this.#limits;
    const settings: DeliverySettings = {
      agent: this.#hello?.agent ?? '',
      items: itemsFor(this.#protocol),
      sign: this.#key.sign,
      leaseMs,
      leaseFrom,
      deltaGapMs,
      mostDeltaGapMs,
      snapshotGapMs,
    };
    this.#delivery = new Delivery(settings, feed);
    this.#phase = 'live';
    this.#heardAt = now;
    const welcome = send({ type: 'welcome', now, heartbeatMs, name });
    const reported = this.#proof?.state;
    // Live sessions are many, and need nothing of the handshake.
    this.#proof = this.#hello = this.#handshake = null;
    return [...welcome, ...this.#delivery.start(reported, state, now)];
  }

  #report(message: Report, now: number): SessionEffect[] {
    this.#heardAt = now;
    return [{ kind: 'report', message }, ...this.#tellMapping()];
  }

  /** A report that only agents of one role make. */
  #reportOf(role: AgentRole, message: Report, now: number): SessionEffect[] {
    return this.role === role ? this.#report(message, now) : this.#refuse('bad-message');
  }

  /** Compares only at each report, so that an agent that keeps moving is not told of each place. */
  #tellMapping(): SessionEffect[] {
    const mapping = this.#mapping();
    const text = JSON.stringify(mapping);
    if (text === this.#mappingTold) return [];
    this.#mappingTold = text;
    return send({ type: 'mapping', mapping });
  }

  #needSnapshot(now: number): SessionEffect[] {
    this.#heardAt = now;
    return this.#delivery?.needSnapshot(now) ?? [];
  }

  #flush(now: number): SessionEffect[] {
    return this.#delivery?.flush(now) ?? [];
  }

  #loaded(state: DesiredState | null, now: number): SessionEffect[] {
    // The gateway or device is deleted or changing. The directory tells the agent which when it returns.
    if (state === null) return this.#refuse('busy');
    return this.#delivery?.loaded(state, now) ?? [];
  }

  #congested(now: number): SessionEffect[] {
    this.#congestedAt ??= now;
    this.#delivery?.block(true);
    return [];
  }

  #drained(now: number): SessionEffect[] {
    this.#congestedAt = null;
    this.#delivery?.block(false);
    return this.#flush(now);
  }

  #handshakeTime(now: number): SessionEffect[] {
    return now < this.#deadline ? [] : this.#end('handshake-time');
  }

  #liveTime(now: number): SessionEffect[] {
    if (now >= this.#silentAt()) return this.#end('silent');
    if (this.#congestedAt !== null && now >= this.#congestedAt + this.#limits.stallMs) return this.#end('stalled');
    return this.#flush(now);
  }

  #refuse(code: RefusalCode): SessionEffect[] {
    return [...send(refusal(code, this.role)), ...this.#end(code)];
  }

  #end(code: Extract<SessionEffect, { kind: 'end' }>['code']): SessionEffect[] {
    const phase = this.#phase;
    this.#phase = 'closed';
    return [{ kind: 'end', code, phase }];
  }

  #transcript(hello: Hello, { nonce: controllerNonce, exchange }: Handshake): Transcript {
    const { protocol, role, agent, nonce: agentNonce, identityKey, ephemeral: agentEphemeral } = hello;
    const keys = { identityKey, controllerKey: this.#key.publicKey };
    const ephemerals = { agentEphemeral, controllerEphemeral: exchange.publicKey };
    return { protocol, role, agent, agentNonce, controllerNonce, ...keys, ...ephemerals };
  }

  #liveDeadline(): { at: number; why: string } {
    const silent = { at: this.#silentAt(), why: 'silent' };
    const stalled = { at: (this.#congestedAt ?? Number.POSITIVE_INFINITY) + this.#limits.stallMs, why: 'stalled' };
    const first = stalled.at < silent.at ? stalled : silent;
    const delivery = this.#delivery?.nextDeadline() ?? null;
    return delivery !== null && delivery.at < first.at ? delivery : first;
  }

  /** Twice the time after which a gateway counts as gone. An open socket without a heartbeat for that long is dead. */
  #silentAt(): number {
    return this.#heardAt + 6 * this.#heartbeatMs;
  }
}

function send(message: ControllerMessage): SessionEffect[] {
  return [{ kind: 'send', message }];
}

type Step = (session: Session, input: SessionInput, now: number) => SessionEffect[];

type StepsOfSession = {
  readonly [S in keyof Steps]: (session: Session, ...input: Parameters<Steps[S]>) => SessionEffect[];
};
