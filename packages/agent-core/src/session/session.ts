import type { AgentMessage, ControllerMessage, Refused, SealedChannel } from '@sallyport/contract/channel';
import { type Authority, DesiredState, type Verdict } from '../desired-state.ts';
import { formatStoredState, readStoredState } from '../stored-state.ts';
import { Enforcement } from './enforcement.ts';
import { readFrame } from './frames.ts';
import { answerChallenge, type Challenge, helloOf, type Opening, type Proven, pinOf } from './handshake.ts';
import { HeartbeatFilter } from './heartbeat-filter.ts';
import { passedOn } from './passed-on.ts';
import { Posture } from './posture.ts';
import { clockShift, skewWarning } from './skew.ts';
import { defaultTiming, earliest, refusalDelay, type SessionTiming } from './timing.ts';
import { isConnected, type Steps, transitions } from './transitions.ts';
import type { AppliedState, Deadline, Effect, Input, Moment, Phase, SessionConfig } from './types.ts';
import { UpgradeRequest } from './upgrade-request.ts';
import { UsedNames } from './used-names.ts';
import { Waits } from './waits.ts';

/**
 * The agent's side of the channel, without IO. It takes inputs and returns effects, which the caller carries out in order.
 * `nextDeadline` says when to send a `tick`. Only messages that are well-formed, sealed, signed and expected in the phase
 * change the state. Any other message ends the connection.
 */
export class AgentSession {
  readonly #config: SessionConfig;
  readonly #timing: SessionTiming;
  #desired = new DesiredState();
  #enforcement: Enforcement;
  #phase: Phase = 'idle';
  #connection = 0;
  #controllerKey: string | null;
  #enrolled: boolean;
  /** Whether the controller lost our enrolment. */
  #offersToken = false;
  /** Key that the controller proved on this connection. */
  #proven: Pick<Proven, 'controllerKey' | 'succeeds'> | null = null;
  #opening: Opening | null = null;
  /** Null until the controller proves its identity. From then on every frame in both directions is sealed. */
  #channel: SealedChannel | null = null;
  readonly #waits: Waits;
  #collecting = false;
  /** Time of the last input. */
  #now = 0;
  #awaitingSnapshot = false;
  /** Whether the stored state came in an older protocol. The next connection then requests everything. */
  #incomplete = false;
  /** Known lag of the host's clock when the state was stored. */
  #restoredShift = 0;
  readonly #heartbeats = new HeartbeatFilter();
  readonly #posture = new Posture();
  readonly #usedNames = new UsedNames();
  readonly #upgrade = new UpgradeRequest();
  #effects: Effect[] = [];

  constructor(config: SessionConfig, timing: SessionTiming = defaultTiming) {
    this.#config = config;
    this.#timing = timing;
    this.#waits = new Waits(timing);
    this.#controllerKey = config.controllerKey;
    this.#enrolled = config.enrolled && config.controllerKey !== null;
    this.#enforcement = new Enforcement(this.#desired, timing);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** State that is in force, as read back from the system. */
  get applied(): AppliedState | null {
    return this.#enforcement.applied;
  }

  /** State that the controller wants. This is a live view. */
  get desired(): Pick<DesiredState, 'items' | 'statement'> {
    return this.#desired;
  }

  /** Current failure to apply the state, with a message for the operator. */
  get failure(): { readonly code: string; readonly message: string } | null {
    return this.#enforcement.failure;
  }

  /** Returns the text to store, or null before the first state. `hostNow` is the host's own clock. */
  stored(now: number, hostNow = now): string | null {
    return formatStoredState(this.#desired, now, hostNow);
  }

  handle(input: Input, moment: Moment): Effect[] {
    this.#effects = [];
    this.#followClock(moment.now);
    const step = this.#steps[transitions[this.#phase][input.kind]];
    step(input as never, moment);
    this.#sendReports();
    return this.#effects;
  }

  /** Returns the time of the next `tick`. Null: only inputs can change anything. */
  nextDeadline(): Deadline | null {
    if (this.#phase === 'idle' || this.#phase === 'stopped') return null;
    return earliest([...this.#waits.deadlines(), ...this.#enforcement.deadlines()]);
  }

  /** Handlers of the transition table. */
  readonly #steps: Steps = {
    start: (input, moment) => {
      const barred = this.#restore(input.stored, moment.now);
      this.#push(...this.#enforcement.start(barred, this.#shiftClock(this.#restoredShift, false, moment)));
      this.#connect(moment);
    },
    hello: (input, moment) => {
      if (input.connection !== this.#connection) return;
      this.#enter('greeting', moment.now + this.#timing.answerMs);
      this.#waits.opened(moment.now);
      const { nonce, exchange } = input;
      this.#opening = { nonce, exchange };
      const hello = helloOf(this.#config, this.#opening);
      this.#push({ kind: 'send', connection: this.#connection, frame: JSON.stringify(hello), message: hello });
    },
    receive: (input, moment) => {
      if (input.connection !== this.#connection) return;
      const message = readFrame(input.frame, this.#channel, this.#phase);
      if (typeof message === 'string') return this.#reject(message, moment);
      this.#waits.pulse.heard(moment.now);
      this.#receive(message, moment);
    },
    heard: (input, moment) => {
      if (input.connection === this.#connection) this.#waits.pulse.heard(moment.now);
    },
    lost: (input, moment) => {
      if (input.connection === this.#connection) this.#wait(input.reason, moment);
    },
    applied: (input, moment) => {
      if (input.mended.length > 0)
        this.#log('warn', 'another program changed the system; the changes are reverted', {
          what: input.mended.join('; '),
        });
      this.#push(...this.#enforcement.done(input, moment));
    },
    applyFailed: (input, moment) => {
      this.#log('error', 'applying failed', { code: input.code, reason: input.message });
      this.#push(...this.#enforcement.failed(input, moment));
    },
    drift: (input, moment) => {
      this.#log('info', 'checking the system', { reason: input.reason });
      this.#push(...this.#enforcement.drift(moment, input.cured ?? false));
    },
    heartbeat: (input, moment) => {
      this.#collecting = false;
      this.#send(this.#heartbeats.message(input.data, input.hostNow ?? moment.now, this.#enforcement.applied));
    },
    discardHeartbeat: () => {
      this.#collecting = false;
    },
    probed: (input) => {
      const hash = this.#enforcement.applied?.hash ?? null;
      this.#send({ type: 'probed', request: input.request, hash, probes: [...input.probes] });
    },
    noticed: (input) => {
      for (const probes of this.#heartbeats.noticed(input.probes)) this.#send({ type: 'noticed', probes });
    },
    findPath: ({ peer, relay }) => this.#send({ type: 'find-path', peer, relay }),
    askName: ({ name, device }) => this.#send({ type: 'ask-name', name, device }),
    noController: ({ name }) => this.#push({ kind: 'named', name, outcome: 'away' }),
    namesUsed: ({ names }) => this.#send({ type: 'names-used', names: [...names] }),
    keepUsedNames: ({ names }) => this.#usedNames.keep(names),
    posture: (input) => {
      this.#posture.keep(input.facts);
      this.#tellPosture();
    },
    upgrading: ({ progress }) => this.#send(this.#upgrade.report(progress)),
    keepPosture: (input) => this.#posture.keep(input.facts),
    giveUp: (_, moment) => {
      if (this.#passes(moment)) this.#reject(`no answer from the controller while ${this.#phase}`, moment);
    },
    retry: (_, moment) => {
      if (this.#passes(moment)) this.#connect(moment);
    },
    beat: (_, moment) => {
      this.#push(...this.#enforcement.due(moment));
      if (this.#waits.pulse.isSilent(moment.now)) return this.#reject('the controller fell silent', moment);
      if (!this.#waits.pulse.beat(moment.now)) return;
      this.#push({ kind: 'ping', connection: this.#connection });
      if (this.#collecting) return;
      this.#collecting = true;
      this.#push({ kind: 'collect-heartbeat' });
    },
    stop: () => {
      if (isConnected(this.#phase))
        this.#push({ kind: 'close', connection: this.#connection, reason: 'the agent stops' });
      this.#enter('stopped', null);
    },
    ignore: () => {},
  };

  /** Handles the passing of time. Returns whether the phase is over. */
  #passes(moment: Moment): boolean {
    this.#push(...this.#enforcement.due(moment));
    return this.#waits.isPhaseOver(moment.now);
  }

  #restore(text: string | null, now: number): string | null {
    if (text === null || this.#controllerKey === null) return 'there is no stored state';
    const outcome = readStoredState(text, this.#authority, now, this.#config.earlierControllerKey);
    if (outcome.kind !== 'usable') this.#log('warn', 'not starting from the stored state', { reason: outcome.reason });
    if (outcome.kind === 'invalid') return outcome.reason;
    this.#desired = outcome.desired;
    this.#enforcement = new Enforcement(this.#desired, this.#timing);
    if (outcome.kind === 'expired') return outcome.reason;
    this.#incomplete = !outcome.complete;
    this.#restoredShift = outcome.shiftMs;
    return null;
  }

  #receive(message: ControllerMessage, moment: Moment): void {
    switch (message.type) {
      case 'challenge':
        return void this.#authenticate(message, moment);
      case 'welcome':
        return void this.#welcomed(message, moment);
      case 'refused':
        this.#refused(message, moment);
        return;
      case 'snapshot':
        this.#awaitingSnapshot = false;
        this.#incomplete = false;
        this.#adopted(this.#desired.adoptSnapshot(message, this.#authority), moment);
        return;
      case 'delta':
        if (this.#awaitingSnapshot) return;
        this.#adopted(this.#desired.adoptDelta(message, this.#authority), moment);
        return;
      case 'lease':
        if (this.#awaitingSnapshot) return;
        this.#adopted(this.#desired.adoptLease(message.signed, this.#authority), moment);
        return;
      case 'upgrade':
        this.#push(this.#upgrade.asked(message));
        return;
      default:
        this.#push(passedOn(message));
    }
  }

  #authenticate(challenge: Challenge, moment: Moment): void {
    const trust = { controllerKey: this.#controllerKey, enrolled: this.#enrolled, offersToken: this.#offersToken };
    const opening = this.#opening;
    if (opening === null) return;
    this.#opening = null;
    const applied = this.#incomplete ? null : this.#enforcement.applied;
    const answer = answerChallenge(this.#config, trust, opening, challenge, applied);
    if (answer.kind === 'distrust') {
      this.#reject(answer.reason, moment, 'error');
      return;
    }
    this.#proven = answer;
    this.#channel = answer.channel;
    this.#enter('authenticating', moment.now + this.#timing.answerMs);
    this.#send(answer.message);
  }

  #welcomed(welcome: Extract<ControllerMessage, { type: 'welcome' }>, given: Moment): void {
    this.#enter('live', null);
    this.#offersToken = false;
    const pin = this.#proven && pinOf(this.#proven, this.#enrolled);
    this.#enrolled = true;
    this.#controllerKey = this.#proven?.controllerKey ?? this.#controllerKey;
    if (pin !== null) this.#push(pin);
    const shiftMs = clockShift(welcome.now, given.now);
    const moment = this.#shiftClock(shiftMs, true, given);
    this.#waits.pulse.begin(welcome.heartbeatMs, moment.now);
    this.#awaitingSnapshot = false;
    this.#heartbeats.reset();
    this.#upgrade.reset();
    this.#posture.reset();
    this.#tellPosture();
    for (const message of this.#usedNames.take()) this.#send(message);
    this.#log('info', 'connected', { agent: this.#config.agent, name: welcome.name });
    this.#push(...skewWarning(shiftMs));
    if (shiftMs !== 0) this.#push(...this.#enforcement.retime(moment));
    if (this.#enforcement.failure !== null) this.#send(this.#enforcement.failure);
  }

  /** Anyone on the network path can forge an unencrypted refusal, so it only counts as a lost connection. */
  #refused(refused: Refused, moment: Moment): void {
    const { code, message, final } = refused;
    if (!final || this.#channel === null) {
      this.#reject(`the controller refused: ${message} (${code})`, moment);
      return;
    }
    this.#push({ kind: 'close', connection: this.#connection, reason: 'refused' });
    if (code === 'deleted') {
      this.#log('warn', 'deleted at the controller: undoing everything');
      this.#push({ kind: 'tear-down' });
      this.#enter('stopped', null);
      return;
    }
    this.#log('error', 'the controller refused', { code, reason: message });
    this.#push({ kind: 'refused', code, message, enrolled: this.#enrolled });
    this.#offersToken = code === 'bad-token';
    this.#enter('refused', moment.now + refusalDelay(this.#timing, code, moment.random));
  }

  #tellPosture(): void {
    const facts = this.#config.role === 'device' ? this.#posture.news() : null;
    if (facts !== null) this.#send({ type: 'posture', facts: { ...facts } });
  }

  get #authority(): Authority {
    const { agent, crypto } = this.#config;
    return { agent, crypto, controllerKey: this.#controllerKey ?? '' };
  }

  #adopted(verdict: Verdict, given: Moment): void {
    switch (verdict.kind) {
      case 'adopted': {
        const late = Math.max(0, clockShift(this.#desired.statement?.issuedAt ?? 0, given.now));
        const moment = late > 0 ? this.#shiftClock(late, true, given) : given;
        this.#push({ kind: 'persist' }, ...this.#enforcement.adopted(verdict.touched, moment));
        if (late > 0) this.#push(...this.#enforcement.retime(moment));
        return;
      }
      case 'mismatch':
        this.#awaitingSnapshot = true;
        this.#send({ type: 'need-snapshot', reason: verdict.reason });
        return;
      case 'stale':
        this.#log('debug', 'ignored', { reason: verdict.reason });
        return;
      case 'hostile':
        this.#reject(verdict.reason, given, 'error');
    }
  }

  #connect(moment: Moment): void {
    this.#connection += 1;
    this.#proven = null;
    this.#enter('connecting', moment.now + this.#timing.answerMs);
    this.#push({ kind: 'connect', connection: this.#connection });
  }

  /** Ends the connection because of an error of the other side, and retries later. */
  #reject(reason: string, moment: Moment, level: 'warn' | 'error' = 'warn'): void {
    this.#push({ kind: 'close', connection: this.#connection, reason });
    this.#wait(reason, moment, level);
  }

  #wait(reason: string, moment: Moment, level: 'warn' | 'error' = 'warn'): void {
    const delay = this.#waits.retryDelay(moment);
    this.#log(level, 'not connected', { reason, retryMs: delay });
    this.#enter('waiting', moment.now + delay);
  }

  #enter(phase: Phase, ends: number | null): void {
    this.#phase = phase;
    this.#waits.enter(phase, ends);
    if (isConnected(phase)) return;
    this.#opening = null;
    this.#channel = null;
  }

  /** Corrects the clock and moves all waits with it. Returns the moment by the corrected clock. */
  #shiftClock(shiftMs: number, heard: boolean, moment: Moment): Moment {
    if (shiftMs !== 0 || heard) this.#push({ kind: 'clock', shiftMs, heard });
    this.#moveWaits(-shiftMs);
    this.#now = moment.now + shiftMs;
    return { ...moment, now: this.#now };
  }

  /** Moves all waits when the clock was set back. A lease ends at a fixed time and does not move. */
  #followClock(now: number): void {
    const back = this.#now - now;
    this.#now = now;
    if (back > 0) this.#moveWaits(back);
  }

  #moveWaits(back: number): void {
    this.#waits.clockWentBack(back);
    this.#enforcement.clockWentBack(back);
  }

  #sendReports(): void {
    const reports = this.#enforcement.takeReports();
    if (this.#phase === 'live') for (const report of reports) this.#send(report);
  }

  /** Sends a message, if there is one. Every message except `hello` must be sealed. */
  #send(message: AgentMessage | null): void {
    const frame = message && this.#channel?.seal(JSON.stringify(message));
    if (message && frame) this.#push({ kind: 'send', connection: this.#connection, frame, message });
  }

  #log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: Record<string, string | number>): void {
    this.#push({ kind: 'log', level, message, ...(fields && { fields }) });
  }

  #push(...effects: Effect[]): void {
    this.#effects.push(...effects);
  }
}
