import { randomBytes } from 'node:crypto';
import type { LookupFunction } from 'node:net';
import {
  AgentSession,
  type Effect,
  type Frame,
  type Input,
  type SessionConfig,
  type SessionTiming,
} from '@sallyport/agent-core';
import { keyExchange, type Mapping, type Upgrade, type Upgrading } from '@sallyport/contract/channel';
import type { TlsTrust } from './ca-file.ts';
import type { AgentClock } from './clock.ts';
import { failureOf } from './failure.ts';
import { InputQueue } from './input-queue.ts';
import type { Log } from './log.ts';
import { isUnheard, type Sighting } from './nat.ts';
import type { AgentPlane } from './plane.ts';
import { ChannelSocket } from './socket.ts';
import type { StateDirectory } from './state/directory.ts';
import { LatestWriter } from './writer.ts';

/** What an agent needs: the address of the controller, its identity, its plane, and its files. */
export interface AgentOptions {
  /** WebSocket address of the channel. */
  readonly url: string;
  /** Resolves its host name. Default: the resolver of the system. */
  readonly lookup?: LookupFunction;
  /** Certificates to trust besides those of the system; asked for each connection. */
  readonly trust?: () => TlsTrust | undefined;
  readonly session: Omit<SessionConfig, 'host'>;
  /** Carries out upgrades that the controller asks for, and reports their states. Left out: they are refused. */
  readonly upgrade?: (asked: Pick<Upgrade, 'version' | 'request'>, report: (progress: Progress) => void) => void;
  readonly facts: Omit<SessionConfig['host'], 'wireguard'>;
  readonly timing: SessionTiming;
  readonly plane: AgentPlane;
  readonly directory: StateDirectory;
  /** Returns the content of `status.json`. */
  readonly status: (session: AgentSession, now: number, sighting: Sighting | null) => string;
  /**
   * Called when the controller has accepted the identity, and when another key has taken the place of its key `succeeds`.
   * Resolves when that is on disk.
   */
  readonly onPinned: (controllerKey: string, succeeds: string | null) => Promise<void>;
  readonly log: Log;
  readonly clock: AgentClock;
}

type Progress = Omit<Upgrading, 'type'>;

/** How an agent ends. */
export type Ending =
  | { readonly kind: 'stopped' }
  /** The agent was deleted at the controller, and its state on the host is removed. */
  | { readonly kind: 'deleted'; readonly undone: readonly string[] }
  /** The controller refused the agent for good. Only at first contact; afterwards the agent retries. */
  | { readonly kind: 'refused'; readonly message: string };

/** The event loop. It carries out effects of the session and passes events to it. */
export class Agent {
  /** Resolves when the agent ends. */
  readonly ended: Promise<Ending>;
  readonly #options: AgentOptions;
  readonly #session: AgentSession;
  readonly #plane: AgentPlane;
  readonly #stateWriter: LatestWriter;
  readonly #statusWriter: LatestWriter;
  readonly #inputs: InputQueue;
  readonly #jobs = new Set<Promise<unknown>>();
  #socket: ChannelSocket | null = null;
  #timer: NodeJS.Timeout | null = null;
  #storing: NodeJS.Timeout | null = null;
  #shownStatus = '';
  #mapping: Mapping = undecided;
  /** Time of the welcome of this connection, by `performance.now()`; null: not connected. */
  #liveAt: number | null = null;
  #failedAt = Number.NEGATIVE_INFINITY;
  #end: (ending: Ending) => void = () => {};

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#plane = options.plane;
    this.#inputs = new InputQueue(
      (input) => this.#handle(input),
      () => {
        this.#arm();
        this.#showStatus();
      },
    );
    this.#session = new AgentSession(this.#sessionConfig(), options.timing);
    const { directory, log, clock } = options;
    this.#stateWriter = new LatestWriter(
      async () => {
        const text = this.#session.stored(clock.now(), clock.hostNow());
        // A replaced state may grant revoked access, so a later start must not use it.
        if (text !== null) await directory.writeOrForget('state.json', text);
        this.#showStatus();
      },
      (error) => {
        log.error('the state could not be stored', { reason: failureOf(error).message });
        this.#showStatus();
        this.#storeLater();
      },
    );
    this.#statusWriter = new LatestWriter(
      () => directory.write('status.json', options.status(this.#session, clock.hostNow(), this.sighting)),
      (error) => log.warn('cannot write the status', { reason: failureOf(error).message }),
    );
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Returns the status of the agent. A live view. */
  get session(): Pick<AgentSession, 'phase' | 'applied' | 'desired' | 'failure'> {
    return this.#session;
  }

  /** Returns a sentence for each file that the state directory cannot store. */
  get unsaved(): readonly string[] {
    return this.#options.directory.unsaved;
  }

  /** Returns the NAT of this host as reported by the controller; null: not connected. */
  get sighting(): Sighting | null {
    return this.#liveAt === null ? null : { mapping: this.#mapping, liveMs: performance.now() - this.#liveAt };
  }

  /** Starts from the state on disk. Returns after the first steps have started. */
  async start(): Promise<void> {
    await this.#plane.detect().catch((error) => {
      this.#options.log.error('WireGuard cannot run here yet', { reason: failureOf(error).message });
    });
    const stored = await this.#options.directory.read('state.json').catch(() => null);
    this.#plane.begin(
      (input) => this.#input(input),
      () => this.#session.desired.items,
      () => this.#socket?.leaveStranded(),
    );
    this.#input({ kind: 'start', stored });
  }

  /** Ends the agent and leaves the data plane as it is. */
  async stop(): Promise<void> {
    if (this.#session.phase !== 'stopped') this.#input({ kind: 'stop' });
    await this.#finish();
    this.#end({ kind: 'stopped' });
  }

  /** Undoes everything on this host. Only after `stop`. */
  down(): Promise<string[]> {
    return this.#plane.down();
  }

  #sessionConfig(): SessionConfig {
    const { session, facts } = this.#options;
    const plane = this.#plane;
    return {
      ...session,
      get host() {
        return { ...facts, wireguard: plane.wireguardKind ?? ('userspace' as const) };
      },
    };
  }

  #input(input: Input): void {
    this.#inputs.put(input);
  }

  /** Handles an input. Does not throw: a failure ends the connection, and the next connection compares everything. */
  #handle(input: Input): void {
    try {
      const moment = { now: this.#options.clock.now(), random: randomBytes(4).readUInt32BE() / 2 ** 32 };
      for (const effect of this.#session.handle(input, moment)) this.#perform(effect);
    } catch (error) {
      this.#failed(`on ${input.kind}`, error);
    }
  }

  #failed(what: string, error: unknown): void {
    this.#failedAt = performance.now();
    const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#options.log.error(`this program failed ${what}; the connection begins again`, { cause });
    this.#socket?.cut('this program failed');
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'connect':
        this.#connect(effect.connection);
        return;
      case 'send':
        this.#socket?.send(effect.frame);
        return;
      case 'clock':
        this.#options.clock.shift(effect.shiftMs, effect.heard);
        return;
      case 'ping':
        this.#socket?.ping();
        return;
      case 'close':
        this.#socket?.close(effect.reason);
        this.#socket = null;
        return;
      case 'pin':
        this.#track(this.#pin(effect.controllerKey, effect.succeeds ?? null));
        return;
      case 'persist':
        this.#stateWriter.request();
        return;
      case 'apply':
        this.#track(this.#apply(effect));
        return;
      case 'collect-heartbeat':
        this.#track(this.#collectHeartbeat());
        return;
      case 'probe':
        this.#track(this.#answerProbe(effect.request));
        return;
      case 'punch':
        this.#plane.punch({ type: 'punch', peer: effect.peer, endpoints: [...effect.endpoints] });
        return;
      case 'mapping':
        this.#mapping = effect.mapping;
        return;
      case 'upgrade':
        this.#upgrade(effect);
        return;
      case 'named':
        this.#plane.named?.(effect.name, effect.outcome);
        return;
      case 'tear-down':
        this.#track(this.#tearDown());
        return;
      case 'refused':
        if (!effect.enrolled) this.#track(this.#giveUp(effect.message));
        return;
      case 'log':
        this.#options.log[effect.level](effect.message, effect.fields);
    }
  }

  #upgrade({ request, version }: Extract<Effect, { kind: 'upgrade' }>): void {
    const { upgrade, log } = this.#options;
    const report = (progress: Progress) => this.#input({ kind: 'upgrading', progress });
    if (upgrade !== undefined) {
      upgrade({ request, version }, report);
      return;
    }
    log.warn('refused an upgrade that the controller asked for: this host does not allow it', { version });
    report({ request, state: 'failed', reason: 'This host does not allow upgrades' });
  }

  #connect(connection: number): void {
    const { url, lookup, trust } = this.#options;
    this.#socket?.close('another connection takes its place');
    const events = {
      opened: () => {
        const nonce = randomBytes(32).toString('base64');
        this.#input({ kind: 'opened', connection, nonce, exchange: keyExchange('agent', randomBytes(32)) });
      },
      message: (frame: Frame) => this.#hear(connection, frame),
      pong: () => this.#input({ kind: 'pong', connection }),
      closed: (reason: string) => this.#input({ kind: 'closed', connection, reason }),
      failed: (error: unknown) => this.#failed('on its connection', error),
    };
    this.#socket = new ChannelSocket(url, events, lookup, trust?.());
  }

  #hear(connection: number, frame: Frame): void {
    this.#input({ kind: 'message', connection, frame });
    if (this.#session.phase === 'live') this.#socket?.trust();
  }

  async #pin(controllerKey: string, succeeds: string | null): Promise<void> {
    const what = succeeds === null ? 'the enrolment' : 'the new key of the controller';
    try {
      await this.#options.onPinned(controllerKey, succeeds);
      this.#options.log.info(succeeds === null ? enrolledText : followedText);
    } catch (error) {
      this.#options.log.error(`${what} could not be stored`, { reason: failureOf(error).message });
    }
  }

  async #apply({ job, work }: Extract<Effect, { kind: 'apply' }>): Promise<void> {
    const began = performance.now();
    try {
      const { hash, mended } = await this.#plane.perform(work);
      const tookMs = Math.round((performance.now() - began) * 10) / 10;
      this.#options.log.debug('applied', { kind: work.kind, tookMs });
      this.#input({ kind: 'applied', job, hash, tookMs, mended });
    } catch (error) {
      this.#input({ kind: 'apply-failed', job, ...failureOf(error) });
    }
  }

  async #collectHeartbeat(): Promise<void> {
    const { data, drift } = await this.#plane.heartbeat(this.#session.applied !== null);
    if (drift !== null) this.#input({ kind: 'drift', reason: drift });
    this.#input({ kind: 'heartbeat-ready', data, hostNow: this.#options.clock.hostNow() });
  }

  async #answerProbe(request: string): Promise<void> {
    this.#input({ kind: 'probed', request, probes: await this.#plane.probe() });
  }

  async #tearDown(): Promise<void> {
    this.#finishTimer();
    const undone = await this.#plane.down().catch((error) => {
      this.#options.log.error('not everything could be undone', { reason: failureOf(error).message });
      return [];
    });
    await this.#plane.stop();
    await Promise.all([this.#stateWriter.flush(), this.#statusWriter.flush()]);
    for (const file of [
      'identity.json',
      'state.json',
      'endpoints.json',
      'relay.json',
      'status.json',
      'upgrade.json',
    ] as const) {
      await this.#options.directory.remove(file);
    }
    this.#end({ kind: 'deleted', undone });
  }

  async #giveUp(message: string): Promise<void> {
    if (this.#session.phase !== 'stopped') this.#input({ kind: 'stop' });
    this.#finishTimer();
    this.#end({ kind: 'refused', message });
  }

  async #finish(): Promise<void> {
    this.#finishTimer();
    while (this.#jobs.size > 0) await Promise.all(this.#jobs);
    await this.#plane.stop();
    this.#statusWriter.request();
    await Promise.all([this.#stateWriter.flush(), this.#statusWriter.flush()]);
  }

  /** Schedules a retry, because the disk may have room later. */
  #storeLater(): void {
    if (this.#storing !== null) clearTimeout(this.#storing);
    this.#storing = setTimeout(() => this.#stateWriter.request(), storeAgainMs).unref();
  }

  #finishTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#storing !== null) clearTimeout(this.#storing);
  }

  #track(work: Promise<unknown>): void {
    const job = work.catch((error) => this.#failed('at a task', error)).finally(() => this.#jobs.delete(job));
    this.#jobs.add(job);
  }

  #arm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const deadline = this.#session.nextDeadline();
    if (deadline === null) return;
    // A failing deadline may be due again at once.
    const pause = performance.now() - this.#failedAt < pauseMs ? pauseMs : 0;
    const delay = Math.min(Math.max(deadline.at - this.#options.clock.now(), pause), longestTimerMs);
    this.#timer = setTimeout(() => this.#input({ kind: 'tick' }), delay);
  }

  #showStatus(): void {
    const { phase, applied, failure, desired } = this.#session;
    this.#liveAt = phase === 'live' ? (this.#liveAt ?? performance.now()) : null;
    if (this.#liveAt === null) this.#mapping = undecided;
    const { sighting } = this;
    const nat = sighting && [JSON.stringify(sighting.mapping), isUnheard(sighting, desired.items)];
    const shown = [phase, applied?.hash, applied?.revision.number, failure?.code, nat, this.unsaved].join(' ');
    if (shown === this.#shownStatus) return;
    this.#shownStatus = shown;
    this.#statusWriter.request();
  }
}

const undecided: Mapping = { kind: 'undecided' };

/** Pause after an internal failure, in milliseconds. */
const pauseMs = 1_000;

/** Pause between attempts to store the state on a full disk, in milliseconds. */
const storeAgainMs = 10_000;

/** Longest delay of a timer in Node, in milliseconds. */
const longestTimerMs = 2 ** 30;

const enrolledText = 'enrolled: the token is no longer needed';
const followedText =
  'the controller has a new signing key, which the one before has signed: this agent trusts it from now on';
