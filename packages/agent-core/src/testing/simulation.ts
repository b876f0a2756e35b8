import assert from 'node:assert/strict';
import type { ControllerMessage, StateItem } from '@sallyport/contract/channel';
import { keyExchange, StateHash } from '@sallyport/contract/channel';
import { AgentSession } from '../session/session.ts';
import type { Effect, Frame, Input, ItemChange, SessionConfig, Work } from '../session/types.ts';
import { ScriptedController } from './controller.ts';
import { classItem, deviceItem, gatewayItem, probeItem, profileItem, siteItem } from './items.ts';
import { testKey, testWireguardKey } from './keys.ts';

const gateway = '5b8e7f60-1111-4222-8333-444455556666';
const token = 'sgw_secret';

type Event = { readonly at: number; readonly what: string; readonly run: () => void };

/**
 * Runs the real session against a controller, a host and a network with seeded random faults. All events happen in simulated
 * time. Each event asserts these invariants:
 *
 * - no state is put in force that the controller has not signed for this gateway, nor one older than what was in force;
 * - nothing is put in force beyond its lease, and with an agent alive what is in force is closed when the lease is over;
 * - after the storm everything converges: the host is what the controller wants, and the controller knows it.
 */
export class Simulation {
  steps = 0;
  applied = 0;
  attacks = 0;
  readonly #dice: () => number;
  readonly #controller: ScriptedController;
  readonly #identity;
  readonly #wireguard = testWireguardKey(new Uint8Array(32).fill(3));
  readonly #stranger = testKey(new Uint8Array(32).fill(9));
  readonly #log: string[] = [];
  #events: Event[] = [];
  #now = Date.UTC(2026, 0, 1);
  #weather = { lossy: false, down: false, failing: false };
  #session: AgentSession | null = null;
  #connection = 0;
  #connected = false;
  #disk: { stored: string | null; controllerKey: string | null } = { stored: null, controllerKey: null };
  #host: { items: Map<string, StateItem>; leaseUntil: number } | null = null;
  #lastRevision: { epoch: string; number: number } | null = null;
  /** Lease that was signed for a hash, the latest. */
  readonly #leases = new Map<string, number>();
  readonly #old: ControllerMessage[] = [];
  /** Sealed ones, of all connections. */
  readonly #frames: Uint8Array[] = [];
  #generation = 0;
  #deliveredAt = 0;
  #aliveSince = 0;
  #fairSince = 0;

  constructor(seed: number) {
    this.#dice = mulberry32(seed);
    this.#controller = new ScriptedController(gateway, testKey(new Uint8Array(32).fill(1)));
    this.#identity = testKey(new Uint8Array(32).fill(2));
    this.#controller.token = token;
    this.#controller.heartbeatMs = 1_000;
    this.#controller.items.set('gateway', gatewayItem());
    this.#startAgent();
  }

  /** So many things go wrong, or right. */
  storm(steps: number): void {
    for (let step = 0; step < steps; step++) {
      this.steps += 1;
      this.#pick(this.#mischief)();
      this.#advance(this.#roll(this.#roll(4) === 0 ? 20_000 : 800));
    }
  }

  /** Ends the faults. The system must converge to the desired state. */
  calm(): void {
    this.#note('calm');
    this.#weather = { lossy: false, down: false, failing: false };
    if (this.#session === null) this.#startAgent();
    for (let second = 0; second < 120; second++) {
      this.#renewLease();
      this.#advance(1_000);
    }
    const wanted = this.#controller.hash;
    assert.equal(this.#session?.phase, 'live', 'the agent did not come back');
    assert.ok(this.#host !== null, 'the host is closed');
    assert.equal(StateHash.of(this.#host.items.values()).toString(), wanted, 'the host is not as wanted');
    // Time limits are not in the hash.
    assert.deepEqual(sorted(this.#host.items), sorted(this.#controller.items), 'the host has other items');
    const heard = this.#controller.heard.findLast((message) => message.type === 'heartbeat');
    assert.equal(heard?.type === 'heartbeat' && heard.hash, wanted, 'the controller does not know');
    assert.equal(JSON.parse(this.#disk.stored ?? '{}').snapshot.signed.statement.hash, wanted, 'the disk is behind');
    this.#controller.heard.length = 0;
  }

  trace(): string {
    return this.#log.slice(-60).join('\n');
  }

  readonly #mischief: readonly (() => void)[] = [
    () => this.#change(),
    () => this.#change(),
    () => this.#change(),
    () => this.#renewLease(),
    () => this.#renewLimit(),
    () => this.#loseConnection('the network'),
    () => this.#killAgent(),
    () => this.#session ?? this.#startAgent(),
    () => this.#session ?? this.#startAgent(),
    () => this.#drift(),
    () => this.#attack(),
    () => this.#attack(),
    () => this.#restoreBackup(),
    () => {
      this.#weather = { lossy: this.#roll(3) === 0, down: this.#roll(5) === 0, failing: this.#roll(4) === 0 };
      this.#fairSince = this.#now;
      this.#note(`weather ${JSON.stringify(this.#weather)}`);
    },
  ];

  #change(): void {
    const n = 1 + this.#roll(6);
    const expiresAt = this.#roll(2) === 0 ? null : this.#now + this.#roll(600_000);
    const item = this.#pick<StateItem>([
      deviceItem(n, { profile: `p${this.#roll(3)}`, expiresAt }),
      siteItem(`s${n}`, { profile: `p${this.#roll(2)}`, expiresAt }),
      profileItem(`p${this.#roll(3)}`, [{ class: 'c1', bundle: `b${this.#roll(2)}`, expiresAt }]),
      classItem(`c${n}`, [`10.0.${n}.0-10.0.${n}.${this.#roll(255)}`]),
      probeItem(`x${n}`, '10.0.0.1', 80 + this.#roll(3)),
      gatewayItem({ listenPort: 51820 + this.#roll(3) }),
    ]);
    const removable = [...this.#controller.items.keys()].filter((key) => key !== 'gateway');
    const remove = this.#roll(3) === 0 && removable.length > 0 ? [this.#pick(removable)] : [];
    this.#say(this.#controller.change(remove.length > 0 ? [] : [item], remove, this.#now));
  }

  /** The same state with another time limit. */
  #renewLimit(): void {
    const timed = [...this.#controller.items.values()].filter(({ kind }) => kind === 'device' || kind === 'site');
    if (timed.length === 0) return;
    const item = { ...this.#pick(timed), expiresAt: this.#now + this.#roll(600_000) } as StateItem;
    this.#say(this.#controller.change([item], [], this.#now));
  }

  #renewLease(): void {
    this.#say(this.#controller.lease(this.#now));
  }

  /** The controller's database is an older one again, in a new epoch. */
  #restoreBackup(): void {
    if (this.#roll(4) !== 0) return;
    this.#controller.revision = { epoch: `e${this.steps}`, number: 1 };
    const keys = [...this.#controller.items.keys()].filter((key) => key !== 'gateway');
    for (const key of keys) if (this.#roll(2) === 0) this.#controller.items.delete(key);
    this.#note('backup restored');
    this.#loseConnection('the controller');
  }

  #killAgent(): void {
    if (this.#session === null) return;
    this.#note('agent killed');
    this.#session = null;
    this.#generation += 1;
    this.#connected = false;
  }

  #drift(): void {
    if (this.#host === null || this.#host.items.size === 0) return;
    this.#host.items.delete(this.#pick([...this.#host.items.keys()]));
    this.#note('drift');
    this.#input({ kind: 'drift', reason: 'test' });
  }

  #attack(): void {
    if (!this.#connected) return;
    this.attacks += 1;
    if (this.#roll(2) === 0) this.#attackByController();
    else this.#attackByRelay();
  }

  /** Sends messages that no honest controller sends, on the sealed connection. */
  #attackByController(): void {
    const { signed } = this.#controller.snapshot(this.#now);
    const extra = deviceItem(200);
    const forged = { ...signed, signature: this.#stranger.sign('forged') };
    const message = this.#pick<ControllerMessage | string>([
      '{"type":"snapshot"',
      { type: 'snapshot', items: [...this.#controller.items.values(), extra], signed },
      { type: 'snapshot', items: [...this.#controller.items.values()], signed: forged },
      { type: 'lease', signed: { ...signed, statement: { ...signed.statement, leaseUntil: this.#now * 2 } } },
      ...(this.#old.length > 0 ? [this.#pick(this.#old), this.#pick(this.#old)] : []),
    ]);
    this.#note(`attack ${typeof message === 'string' ? message : message.type}`);
    this.#deliver(message);
  }

  /** Acts as an attacker on the network path, with all earlier frames and no key. No attack may close the data plane. */
  #attackByRelay(): void {
    const seen = this.#frames.length > 0 ? this.#pick(this.#frames) : new Uint8Array(40);
    const flipped = Uint8Array.from(seen);
    flipped[this.#roll(flipped.length)] = this.#roll(256);
    const frame = this.#pick<Frame>([
      seen,
      flipped,
      seen.subarray(0, this.#roll(seen.length)),
      '{"type":"refused","code":"deleted","message":"","final":true}',
      JSON.stringify(this.#controller.snapshot(this.#now)),
    ]);
    this.#note('attack by the relay');
    this.#input({ kind: 'message', connection: this.#connection, frame });
  }

  #say(message: ControllerMessage): void {
    this.#remember(message);
    if (this.#connected) this.#deliver(message);
  }

  #remember(message: ControllerMessage): void {
    if (message.type !== 'snapshot' && message.type !== 'delta' && message.type !== 'lease') return;
    const { hash, leaseUntil } = message.signed.statement;
    this.#leases.set(hash, Math.max(leaseUntil, this.#leases.get(hash) ?? 0));
    this.#old.push(message);
    if (this.#old.length > 50) this.#old.shift();
  }

  #deliver(message: ControllerMessage | string): void {
    const connection = this.#connection;
    const frame = this.#controller.say(message);
    if (typeof frame !== 'string') this.#frames.push(frame);
    if (this.#frames.length > 50) this.#frames.shift();
    // A connection keeps the order of what is sent on it.
    this.#deliveredAt = Math.max(this.#deliveredAt, this.#now + this.#roll(50));
    this.#later(this.#deliveredAt - this.#now, 'message', () => {
      if (!this.#connected || connection !== this.#connection) return;
      if (this.#weather.lossy && this.#roll(6) === 0) this.#loseConnection('loss');
      else this.#input({ kind: 'message', connection, frame });
    });
  }

  #loseConnection(why: string): void {
    if (!this.#connected) return;
    this.#connected = false;
    const connection = this.#connection;
    this.#note(`connection lost: ${why}`);
    this.#later(this.#roll(100), 'closed', () => this.#input({ kind: 'closed', connection, reason: why }));
  }

  #startAgent(): void {
    this.#note('agent starts');
    this.#generation += 1;
    this.#aliveSince = this.#now;
    this.#session = new AgentSession(this.#config());
    this.#input({ kind: 'start', stored: this.#disk.stored });
  }

  #config(): SessionConfig {
    return {
      role: 'gateway',
      agent: gateway,
      identityKey: this.#identity.publicKey,
      wireguardPublicKey: this.#wireguard.publicKey,
      controllerKey: this.#disk.controllerKey,
      enrolled: this.#disk.controllerKey !== null,
      token: { text: token, controllerFingerprint: this.#identity.fingerprint(this.#controller.key.publicKey) },
      agentVersion: '0',
      host: { hostname: 'h', os: 'o', kernel: 'k', wireguard: 'memory' },
      crypto: { ...this.#identity, provePossession: this.#wireguard.provePossession },
    };
  }

  #input(input: Input): void {
    if (this.#session === null) return;
    for (const effect of this.#session.handle(input, { now: this.#now, random: this.#dice() })) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'connect':
        this.#connect(effect.connection);
        return;
      case 'send':
        this.#hear(effect.connection, effect.frame);
        return;
      case 'ping': {
        const { connection } = effect;
        this.#later(20, 'pong', () => this.#connected && this.#input({ kind: 'pong', connection }));
        return;
      }
      case 'close':
        this.#connected = false;
        return;
      case 'pin':
        this.#disk = { ...this.#disk, controllerKey: effect.controllerKey };
        return;
      case 'persist':
        this.#disk = { ...this.#disk, stored: this.#session?.stored(this.#now) ?? null };
        return;
      case 'apply':
        this.#apply(effect.job, effect.work);
        return;
      case 'collect-heartbeat':
        this.#later(5, 'heartbeat', () =>
          this.#input({
            kind: 'heartbeat-ready',
            data: { peers: [], policies: [], dropped: {}, probes: [], paths: [], relays: [], safeToStop: false },
          }),
        );
        return;
      case 'clock':
        return;
      case 'log':
        this.#note(`  ${effect.message} ${JSON.stringify(effect.fields ?? {})}`);
        return;
      default:
        throw new Error(`the session came to ${effect.kind}`);
    }
  }

  #connect(connection: number): void {
    this.#connection = connection;
    this.#later(this.#roll(100), 'connect', () => {
      if (connection !== this.#connection) return;
      if (this.#weather.down) return this.#input({ kind: 'closed', connection, reason: 'refused' });
      this.#connected = true;
      const nonce = Buffer.alloc(32, connection % 250).toString('base64');
      const exchange = keyExchange('agent', Buffer.alloc(32, `${this.#generation} ${connection}`));
      this.#input({ kind: 'opened', connection, nonce, exchange });
    });
  }

  #hear(connection: number, frame: Frame): void {
    if (!this.#connected || connection !== this.#connection) return;
    for (const answer of this.#controller.receive(frame, this.#now)) {
      this.#remember(answer);
      this.#deliver(answer);
    }
  }

  /** Runs a job with a delay. It may fail half-way, and the agent may die before its end. */
  #apply(job: number, work: Work): void {
    this.#check(work);
    const items = work.kind === 'close' ? [] : [...work.items.values()];
    const changes = work.kind === 'change' ? [...work.changes] : null;
    this.#later(this.#roll(300), `job ${work.kind}`, () => {
      if (this.#weather.failing && this.#roll(2) === 0) {
        if (this.#roll(2) === 0) this.#put(work, items, changes);
        this.#input({ kind: 'apply-failed', job, code: 'test', message: 'bad weather' });
        return;
      }
      this.#put(work, items, changes);
      const hash = StateHash.of(this.#host?.items.values() ?? []).toString();
      this.applied += 1;
      this.#input({ kind: 'applied', job, hash, tookMs: 1, mended: [] });
    });
  }

  #put(work: Work, items: readonly StateItem[], changes: readonly ItemChange[] | null): void {
    if (work.kind === 'close') {
      this.#host = null;
      return;
    }
    const there = changes === null ? new Map<string, StateItem>() : new Map(this.#host?.items ?? []);
    for (const { before, after } of changes ?? []) {
      if (before !== null) there.delete(before.key);
      if (after !== null) there.set(after.key, after);
    }
    if (changes === null) for (const item of items) there.set(item.key, item);
    this.#host = { items: there, leaseUntil: work.leaseUntil };
  }

  #check(work: Work): void {
    if (work.kind === 'close') return;
    const statement = this.#session?.desired.statement;
    assert.ok(statement, 'a state without a statement');
    const hash = StateHash.of(work.items.values()).toString();
    assert.ok(this.#leases.has(hash), 'a state that was never signed');
    assert.equal(hash, statement.hash, 'a state that is not the signed one');
    assert.ok(work.leaseUntil > this.#now, 'a state whose lease is over');
    assert.ok(work.leaseUntil <= (this.#leases.get(hash) ?? 0), 'a lease that was never given');
    const { revision } = statement;
    const last = this.#lastRevision;
    assert.ok(last?.epoch !== revision.epoch || revision.number >= last.number, 'an older state than before');
    this.#lastRevision = revision;
  }

  #later(delay: number, what: string, run: () => unknown): void {
    const generation = this.#generation;
    const event = { at: this.#now + delay, what, run: () => generation === this.#generation && run() };
    this.#events.push(event as Event);
  }

  /** Time passes; what is due happens in its order, deadlines of the session included. */
  #advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#events.reduce<Event | null>((a, b) => (a === null || b.at < a.at ? b : a), null);
      const deadline = this.#session?.nextDeadline()?.at ?? Number.POSITIVE_INFINITY;
      const at = Math.max(this.#now, Math.min(next?.at ?? Number.POSITIVE_INFINITY, deadline));
      if (at > end) break;
      this.#now = at;
      if (next !== null && next.at <= deadline) {
        this.#events = this.#events.filter((event) => event !== next);
        next.run();
      } else this.#input({ kind: 'tick' });
    }
    this.#now = end;
    this.#checkLease();
  }

  /** A little longer than a failing close takes to be tried again. */
  #checkLease(): void {
    if (this.#host === null || this.#session === null || this.#weather.failing) return;
    const tried = Math.max(this.#host.leaseUntil, this.#aliveSince, this.#fairSince);
    assert.ok(this.#now < tried + 45_000, 'the lease is over and the host is still open');
  }

  #roll(sides: number): number {
    return Math.floor(this.#dice() * sides);
  }

  #pick<T>(choices: readonly T[]): T {
    const choice = choices[this.#roll(choices.length)];
    assert.ok(choice !== undefined);
    return choice;
  }

  #note(text: string): void {
    this.#log.push(`${new Date(this.#now).toISOString()} ${text}`);
  }
}

function sorted(items: ReadonlyMap<string, StateItem>): [string, StateItem][] {
  return [...items].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Returns a seeded generator of numbers in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
