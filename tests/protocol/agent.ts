import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  AgentSession,
  type Effect,
  type Input,
  type PostureFacts,
  type SessionConfig,
  type Work,
} from '@sallyport/agent-core';
import { type TestKey, type TestWireguardKey, testKey, testWireguardKey } from '@sallyport/agent-core/testing';
import {
  type AgentRole,
  type EnrolmentToken,
  type KeyExchange,
  keyExchange,
  parseEnrolmentToken,
  StateHash,
} from '@sallyport/contract/channel';
import type { WebSocket } from 'ws';
import { AgentClock } from '../../packages/agent-runtime/src/clock.ts';
import { InputQueue } from '../../packages/agent-runtime/src/input-queue.ts';
import type { Clock } from './clock.ts';
import type { TestController } from './controller.ts';
import { MemoryPlane } from './plane.ts';
import type { Wire } from './wire.ts';

/** Options of an agent. */
export interface AgentOptions {
  readonly clock: Clock;
  readonly controller: { isOpen(): boolean; dial(source: string): ReturnType<TestController['dial']> };
  readonly token: string;
  /** Source address of its connections. */
  readonly source: string;
  readonly moved: () => void;
  /** Numbers in [0, 1). */
  readonly dice: () => number;
  /** Duration of a job of the data plane, in milliseconds. */
  readonly jobMs: () => number;
  /** Called with every job before it runs. */
  readonly onWork: (agent: TestAgent, work: Work) => void;
}

/** Everything that survives the death of the process. */
interface Disk {
  readonly identity: TestKey;
  readonly wireguard: TestWireguardKey;
  readonly controllerKey: string | null;
  readonly earlierControllerKey?: string;
  readonly stored: string | null;
}

/**
 * A host with the agent of a gateway or device: the real session, an in-memory data plane, a disk, and a clock that may
 * be wrong.
 */
export class TestAgent {
  readonly role: AgentRole;
  /** Id of the gateway or device. */
  readonly id: string;
  readonly plane: MemoryPlane;
  readonly log: string[] = [];
  /** How far the host's clock is ahead of the true time, in milliseconds. */
  skewMs = 0;
  disk: Disk;
  /** Types of messages that the controller has sent since the agent's last start. */
  heard: string[] = [];
  /** Code of the last refusal. */
  refused: string | null = null;
  tornDown = false;
  /** Endpoints that the controller gave, by peer. */
  readonly punches = new Map<string, readonly string[]>();
  #token: string;
  readonly #options: AgentOptions;
  #session: AgentSession | null = null;
  readonly #inputs = new InputQueue(
    (input) => this.#handle(input),
    () => this.#arm(),
  );
  #socket: WebSocket | null = null;
  #wire: Wire | null = null;
  /** Includes connections that are being closed. */
  readonly #sockets = new Set<WebSocket>();
  #cancelTimer: () => void = () => undefined;
  #clock = this.#freshClock();

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#token = options.token;
    const token = readToken(options.token);
    this.role = token.role;
    this.id = token.agent;
    this.plane = new MemoryPlane(options.clock);
    this.disk = { identity: testKey(), wireguard: testWireguardKey(), controllerKey: null, stored: null };
  }

  get session(): AgentSession | null {
    return this.#session;
  }

  get live(): boolean {
    return this.#session?.phase === 'live';
  }

  /** The current connection. */
  get wire(): Wire | null {
    return this.#wire;
  }

  /** The clock of the host. */
  hostNow(): number {
    return this.#options.clock.now() + this.skewMs;
  }

  /** The controller's time, as far as the agent knows it. */
  now(): number {
    return this.#clock.now();
  }

  /** Starts the process with the state on disk. */
  start(): void {
    assert.equal(this.#session, null, 'it runs already');
    this.#clock = this.#freshClock();
    this.#session = new AgentSession(this.#config());
    this.heard = [];
    this.#input({ kind: 'start', stored: this.disk.stored });
  }

  /** Kills the process: the kernel resets its connection, and the data plane stays. */
  kill(): void {
    this.#session = null;
    this.#inputs.clear();
    this.#cancelTimer();
    this.#wire?.cut();
    for (const socket of this.#sockets) socket.terminate();
    this.#socket = this.#wire = null;
  }

  /** The host gets another network: the process notices at once, and the controller does not. */
  roam(): void {
    this.#wire?.halfOpen();
    this.#socket?.terminate();
  }

  /** Stops the process, which says goodbye. */
  stop(): void {
    this.#input({ kind: 'stop' });
    this.kill();
  }

  /** Forgets its identity, like a host that is set up again with another token. */
  reinstall(token: string): void {
    this.#token = token;
    this.disk = { ...this.disk, identity: testKey(), controllerKey: null, stored: null };
  }

  /** Returns a second host with a copy of this host's disk. */
  copyOf(): TestAgent {
    const copy = new TestAgent(this.#options);
    copy.disk = this.disk;
    return copy;
  }

  /** Another program changes the system, and the agent is informed. */
  damage(key: string): void {
    this.plane.damage(key);
    this.#input({ kind: 'drift', reason: 'test' });
  }

  /** The client reports facts about its device. */
  look(facts: PostureFacts): void {
    this.#input({ kind: 'posture', facts });
  }

  /** Blocks all packets to this peer. */
  findPath(peer: string, relay: boolean): void {
    this.#input({ kind: 'find-path', peer, relay });
  }

  #freshClock(): AgentClock {
    return new AgentClock(
      () => this.hostNow(),
      () => this.#options.clock.now(),
    );
  }

  #config(): SessionConfig {
    const { identity, wireguard, controllerKey, earlierControllerKey } = this.disk;
    return {
      role: this.role,
      agent: this.id,
      identityKey: identity.publicKey,
      wireguardPublicKey: wireguard.publicKey,
      controllerKey,
      ...(earlierControllerKey === undefined ? {} : { earlierControllerKey }),
      enrolled: controllerKey !== null,
      token: {
        text: this.#token,
        controllerFingerprint: readToken(this.#token).controllerFingerprint,
      },
      agentVersion: '0',
      host: { hostname: 'host', os: 'Debian 13', kernel: '6.12', wireguard: 'memory' },
      crypto: { ...identity, provePossession: wireguard.provePossession },
    };
  }

  #input(input: Input): void {
    this.#options.moved();
    this.#inputs.put(input);
  }

  #handle(input: Input): void {
    const moment = { now: this.now(), random: this.#options.dice() };
    for (const effect of this.#session?.handle(input, moment) ?? []) this.#perform(effect);
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
        this.#clock.shift(effect.shiftMs, effect.heard);
        return;
      case 'ping':
        this.#socket?.ping();
        return;
      case 'close':
        this.#close();
        return;
      case 'pin':
        this.#pin(effect);
        return;
      case 'persist':
        this.#later(this.#options.dice() * 20, () => {
          this.disk = { ...this.disk, stored: this.#session?.stored(this.now(), this.hostNow()) ?? null };
        });
        return;
      case 'apply':
        this.#apply(effect.job, effect.work);
        return;
      case 'collect-heartbeat':
        this.#later(1, () => this.#input({ kind: 'heartbeat-ready', data: quiet, hostNow: this.hostNow() }));
        return;
      case 'probe':
        this.#later(1, () => this.#input({ kind: 'probed', request: effect.request, probes: [] }));
        return;
      case 'tear-down':
        this.plane.tearDown();
        this.tornDown = true;
        return;
      case 'refused':
        this.refused = effect.code;
        return;
      case 'punch':
        this.punches.set(effect.peer, effect.endpoints);
        return;
      case 'log':
        this.log.push(`${effect.level} ${effect.message} ${JSON.stringify(effect.fields ?? {})}`);
    }
  }

  #pin({ controllerKey, succeeds }: Extract<Effect, { kind: 'pin' }>): void {
    const earlier = succeeds === undefined ? {} : { earlierControllerKey: succeeds };
    this.disk = { ...this.disk, controllerKey, ...earlier };
  }

  #connect(connection: number): void {
    this.#close();
    const closed = (reason: string) => this.#input({ kind: 'closed', connection, reason });
    if (!this.#options.controller.isOpen()) {
      this.#later(1, () => closed('nobody listens'));
      return;
    }
    const session = this.#session;
    const { socket, wire } = this.#options.controller.dial(this.#options.source);
    const tell = (input: Input) => {
      if (this.#session === session) this.#input(input);
    };
    socket.on('open', () => {
      const nonce = randomBytes(32).toString('base64');
      const exchange = overheard(keyExchange('agent', randomBytes(32)), (text) => this.#hear(text));
      tell({ kind: 'opened', connection, nonce, exchange });
    });
    socket.on('message', (data: Buffer, binary: boolean) => {
      if (!binary) this.#hear(data.toString());
      tell({ kind: 'message', connection, frame: binary ? data : data.toString() });
    });
    socket.on('pong', () => tell({ kind: 'pong', connection }));
    socket.on('error', () => undefined);
    socket.on('close', (code) => {
      this.#sockets.delete(socket);
      tell({ kind: 'closed', connection, reason: `closed with ${code}` });
    });
    this.#sockets.add(socket);
    this.#socket = socket;
    this.#wire = wire;
  }

  #hear(text: string): void {
    this.heard.push(JSON.parse(text).type);
  }

  /** Says goodbye and waits only briefly for an answer. */
  #close(): void {
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null || socket.readyState === socket.CLOSED) return;
    socket.close();
    this.#options.clock.after(1_000, () => socket.terminate());
  }

  #apply(job: number, work: Work): void {
    this.#options.onWork(this, work);
    const frozen: Work = work.kind === 'load' ? { ...work, items: new Map(work.items) } : work;
    if (!this.plane.working) return;
    this.#later(this.#options.jobMs(), () => {
      if (this.plane.failing) {
        if (this.#options.dice() < 0.5) this.plane.perform(frozen, this.now(), true);
        this.#input({ kind: 'apply-failed', job, code: 'test', message: 'The plane is broken. Mend it.' });
        return;
      }
      this.plane.perform(frozen, this.now());
      const hash = StateHash.of(this.plane.inForce.values()).toString();
      this.#input({ kind: 'applied', job, hash, tookMs: 1, mended: [] });
    });
  }

  #arm(): void {
    this.#cancelTimer();
    const deadline = this.#session?.nextDeadline() ?? null;
    if (deadline === null) return;
    const wait = Math.max(0, deadline.at - this.now());
    this.#cancelTimer = this.#options.clock.after(wait, () => this.#input({ kind: 'tick' }));
  }

  /** Runs later, if the process is still the same. */
  #later(ms: number, run: () => void): void {
    const session = this.#session;
    this.#options.clock.after(ms, () => {
      if (this.#session === session) run();
    });
  }
}

function readToken(text: string): EnrolmentToken {
  const token = parseEnrolmentToken(text, 'gateway') ?? parseEnrolmentToken(text, 'device');
  assert.ok(token !== null, 'a token that can be read');
  return token;
}

/** Reports the content of sealed messages that the agent reads. */
function overheard(exchange: KeyExchange, hear: (text: string) => void): KeyExchange {
  return {
    publicKey: exchange.publicKey,
    agree(peerKey, transcript) {
      const channel = exchange.agree(peerKey, transcript);
      if (channel === null) return null;
      const open = (frame: Uint8Array) => {
        const text = channel.open(frame);
        if (text !== null) hear(text);
        return text;
      };
      return { seal: (text) => channel.seal(text), open };
    },
    proves: (key, proof, transcript) => exchange.proves(key, proof, transcript),
  };
}

const quiet = { peers: [], policies: [], dropped: {}, probes: [], paths: [], relays: [], safeToStop: false };
