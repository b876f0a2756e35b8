import type { AgentRole, ControllerMessage, KeyExchange, Mapping } from '@sallyport/contract/channel';
import { channelProtocol, channelProtocols, type Transcript, transcriptText } from '@sallyport/contract/channel';
import { Delivery, type DeliverySettings } from './delivery.ts';
import { itemsFor } from './items-for.ts';
import { type ControllerIdentity, verifyText } from './keys.ts';
import type { ChannelLimits } from './limits.ts';
import { type RefusalCode, refusal } from './refusals.ts';
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

/** The controller's side of one connection of an agent, as a state machine: inputs and the time in, effects out. */
export class Session {
  readonly #settings: SessionSettings;
  #phase: Phase = 'greeting';
  #hello: Hello | null = null;
  #proof: Proof | null = null;
  #delivery: Delivery | null = null;
  #deadline: number;
  #heardAt: number;
  #heartbeatMs = 0;
  #congestedAt: number | null = null;
  #mapping: () => Mapping = () => ({ kind: 'undecided' });
  /** Mapping that the agent knows, as JSON. */
  #mappingTold = JSON.stringify({ kind: 'undecided' });

  /** What the table of transitions names. */
  readonly #steps: Steps = {
    challenge: (hello) => this.#challenge(hello),
    prove: (proof) => this.#prove(proof),
    report: (message, now) => this.#report(message, now),
    gatewayReport: (message, now) => this.#reportOf('gateway', message, now),
    deviceReport: (message, now) => this.#reportOf('device', message, now),
    needSnapshot: (_, now) => this.#needSnapshot(now),
    admitted: (input, now) => this.#admitted(input, now),
    reject: ({ code }) => this.#refuse(code),
    flush: (_, now) => this.#flush(now),
    loaded: ({ state }, now) => this.#loaded(state, now),
    congested: (_, now) => this.#congested(now),
    drained: (_, now) => this.#drained(now),
    ask: ({ request }) => send({ type: 'probe', request }),
    punch: ({ message }) => send(message),
    handshakeTime: (_, now) => this.#handshakeTime(now),
    liveTime: (_, now) => this.#liveTime(now),
    evict: () => this.#end('evicted'),
    lose: () => this.#end('lost'),
    unexpected: () => this.#refuse('bad-message'),
    ignore: () => [],
  };

  constructor(settings: SessionSettings, now: number) {
    this.#settings = settings;
    this.#deadline = now + settings.limits.handshakeMs;
    this.#heardAt = now;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Role that the agent claims; `gateway` until it has claimed one. */
  get role(): AgentRole {
    return this.#hello?.role ?? 'gateway';
  }

  get leaseUntil(): number | null {
    return this.#delivery?.leaseUntil ?? null;
  }

  handle(input: SessionInput, now: number): SessionEffect[] {
    const step = this.#steps[transitions[this.#phase][input.type]];
    return (step as Step)(input, now);
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
    if (!channelProtocols.includes(hello.protocol)) return this.#refuse('protocol');
    const { identity, nonce, exchange } = this.#settings;
    const transcript = this.#transcript(hello);
    const channel = exchange.agree(hello.ephemeral, transcript);
    if (channel === null) return this.#refuse('bad-message');
    this.#hello = hello;
    this.#phase = 'proving';
    const signature = identity.sign(transcriptText('controller', transcript));
    const keys = { nonce, ephemeral: exchange.publicKey, controllerKey: identity.publicKey };
    const challenge = send({ type: 'challenge', protocol: hello.protocol, ...keys, signature });
    return [...challenge, { kind: 'seal', channel }];
  }

  #prove(proof: Proof): SessionEffect[] {
    const hello = this.#hello;
    if (hello === null) return this.#refuse('bad-message');
    const transcript = this.#transcript(hello);
    const { wireguardPublicKey, wireguardProof } = proof;
    const holdsKey = this.#settings.exchange.proves(wireguardPublicKey, wireguardProof, transcript);
    if (!verifyText(hello.identityKey, transcriptText('agent', transcript), proof.signature))
      return this.#refuse('bad-signature');
    if (!holdsKey) return this.#refuse('bad-possession');
    this.#proof = proof;
    this.#phase = 'admitting';
    return [{ kind: 'admit', hello, proof }];
  }

  #admitted(input: Extract<SessionEvent, { type: 'admitted' }>, now: number): SessionEffect[] {
    const { identity, limits } = this.#settings;
    const { leaseMs, feed, state, name, mapping, heartbeatMs } = input;
    this.#heartbeatMs = heartbeatMs;
    this.#mapping = mapping;
    const { deltaGapMs, mostDeltaGapMs, snapshotGapMs } = limits;
    const settings: DeliverySettings = {
      agent: this.#hello?.agent ?? '',
      items: itemsFor(this.#hello?.protocol ?? channelProtocol),
      sign: identity.sign,
      leaseMs,
      deltaGapMs,
      mostDeltaGapMs,
      snapshotGapMs,
    };
    this.#delivery = new Delivery(settings, feed);
    this.#phase = 'live';
    this.#heardAt = now;
    const welcome = send({ type: 'welcome', now, heartbeatMs, name });
    const reported = this.#proof?.state;
    // Live sessions are many, and need no proof.
    this.#proof = null;
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
    if ((this.#hello?.protocol ?? 0) < 3) return [];
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
    if (this.#congestedAt !== null && now >= this.#congestedAt + this.#settings.limits.stallMs)
      return this.#end('stalled');
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

  #transcript(hello: Hello): Transcript {
    const { protocol, role, agent, nonce: agentNonce, identityKey, ephemeral: agentEphemeral } = hello;
    const { nonce: controllerNonce, identity, exchange } = this.#settings;
    const keys = { identityKey, controllerKey: identity.publicKey };
    const ephemerals = { agentEphemeral, controllerEphemeral: exchange.publicKey };
    return { protocol, role, agent, agentNonce, controllerNonce, ...keys, ...ephemerals };
  }

  #liveDeadline(): { at: number; why: string } {
    const stalled =
      this.#congestedAt === null ? Number.POSITIVE_INFINITY : this.#congestedAt + this.#settings.limits.stallMs;
    const first = [
      { at: this.#silentAt(), why: 'silent' },
      { at: stalled, why: 'stalled' },
      this.#delivery?.nextDeadline() ?? { at: Number.POSITIVE_INFINITY, why: 'nothing' },
    ].toSorted((a, b) => a.at - b.at)[0];
    return first ?? { at: this.#silentAt(), why: 'silent' };
  }

  /** Twice the time after which a gateway counts as gone. An open socket without a heartbeat for that long is dead. */
  #silentAt(): number {
    return this.#heardAt + 6 * this.#heartbeatMs;
  }
}

function send(message: ControllerMessage): SessionEffect[] {
  return [{ kind: 'send', message }];
}

type Step = (input: SessionInput, now: number) => SessionEffect[];
