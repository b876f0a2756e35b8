import type { ControllerMessage, SignedStatement } from '@sallyport/contract/channel';
import { statementText } from '@sallyport/contract/channel';
import type { Position } from './delta-history.ts';
import type { ItemsFor } from './items-for.ts';
import type { Path, StateFeed } from './state-feed.ts';
import type { DesiredState } from './types.ts';

/** Settings of the delivery to one agent. */
export interface DeliverySettings {
  readonly agent: string;
  /** Returns items in the form that the agent's protocol knows. */
  readonly items: ItemsFor;
  readonly sign: (text: string) => string;
  /** Length of a lease that begins now, milliseconds. */
  readonly leaseMs: () => number;
  /**
   * Latest moment from which a lease may count, epoch milliseconds. Null: nothing may be signed. Left out: the present
   * moment.
   */
  readonly leaseFrom?: (() => number | null) | undefined;
  /** Least time between deltas, and the most between deltas that close nothing. */
  readonly deltaGapMs: number;
  readonly mostDeltaGapMs: number;
  readonly snapshotGapMs: number;
}

/** A step that the delivery asks its session to take. */
export type DeliveryStep =
  | { readonly kind: 'send'; readonly message: ControllerMessage }
  /** The whole state is needed: the caller must call `loaded` with it. */
  | { readonly kind: 'load' };

type Plan = { readonly at: number } & (
  | { readonly why: 'snapshot' }
  | { readonly why: 'delta'; readonly delta: NonNullable<Path['delta']>; readonly changes: number }
  | { readonly why: 'lease' }
);

/**
 * Decides which messages one agent is sent and when, so that it reaches the desired state with a valid lease. It
 * compares the sent state with the desired one and never queues. A slow agent gets one delta or snapshot once it can
 * read.
 */
export class Delivery {
  readonly #settings: DeliverySettings;
  readonly #feed: StateFeed;
  /** State of the agent after everything that was sent; null: no known state. */
  #sent: (Position & { readonly serial: number }) | null = null;
  #loading = false;
  #blocked = false;
  /** Nothing could be signed at the last try. */
  #cut = false;
  #sentAt = Number.NEGATIVE_INFINITY;
  /** Time from the last delta to the next one that closes nothing. */
  #gapMs = 0;
  #signedAt = Number.NEGATIVE_INFINITY;
  #snapshotAt = Number.NEGATIVE_INFINITY;
  #leaseUntil: number | null = null;

  constructor(settings: DeliverySettings, feed: StateFeed) {
    this.#settings = settings;
    this.#feed = feed;
  }

  /** End of the last lease given, epoch milliseconds. */
  get leaseUntil(): number | null {
    return this.#leaseUntil;
  }

  /** Returns the first messages to an agent that has applied `reported`; `state` is the desired one. */
  start(reported: Position | undefined, state: DesiredState, now: number): DeliveryStep[] {
    const serial = reported === undefined ? null : this.#feed.locateReported(reported);
    if (reported === undefined || serial === null) {
      if (reported === undefined || this.#feed.locate(reported) === null) this.#feed.issued();
      return this.#snapshot(state, now);
    }
    this.#sent = { revision: reported.revision, hash: reported.hash, serial };
    return this.flush(now);
  }

  /** Returns the messages that are due. */
  flush(now: number): DeliveryStep[] {
    this.#cut = false;
    const plan = this.#plan();
    if (plan === null || plan.at > now || !this.#maySign()) return [];
    if (plan.why === 'delta') return this.#delta(plan.delta(), plan.changes, now);
    if (plan.why === 'lease') return this.#lease(now);
    this.#loading = true;
    return [{ kind: 'load' }];
  }

  loaded(state: DesiredState, now: number): DeliveryStep[] {
    this.#loading = false;
    return this.#snapshot(state, now);
  }

  /** The agent cannot apply a delta to its state. */
  needSnapshot(now: number): DeliveryStep[] {
    this.#sent = null;
    return this.flush(now);
  }

  /** While blocked nothing is sent. */
  block(blocked: boolean): void {
    this.#blocked = blocked;
  }

  nextDeadline(): { at: number; why: string } | null {
    const plan = this.#plan();
    return plan === null ? null : { at: plan.at, why: plan.why };
  }

  #plan(): Plan | null {
    if (this.#blocked || this.#loading || this.#cut) return null;
    const path = this.#sent === null ? null : this.#feed.pathFrom(this.#sent.serial);
    if (path === null) return { why: 'snapshot', at: this.#snapshotAt + this.#settings.snapshotGapMs };
    if (path.delta !== null) {
      const gap = path.closes ? this.#settings.deltaGapMs : this.#gapMs;
      return { why: 'delta', delta: path.delta, changes: path.changes, at: this.#sentAt + gap };
    }
    return { why: 'lease', at: this.#signedAt + this.#renewMs() };
  }

  #renewMs(): number {
    return Math.min(3_600_000, this.#settings.leaseMs() / 4);
  }

  /** After a refusal nothing is due until the next `flush`. */
  #maySign(): boolean {
    this.#cut = this.#settings.leaseFrom?.() === null;
    return !this.#cut;
  }

  #snapshot(state: DesiredState, now: number): DeliveryStep[] {
    if (!this.#maySign()) return [];
    const position = { revision: state.revision, hash: state.hash };
    const serial = this.#feed.locate(position);
    this.#sent = serial === null ? null : { ...position, serial };
    this.#sentAt = this.#snapshotAt = now;
    const items = this.#settings.items(state.items());
    return [{ kind: 'send', message: { type: 'snapshot', items, signed: this.#sign(position, now) } }];
  }

  #delta(delta: ReturnType<NonNullable<Path['delta']>>, changes: number, now: number): DeliveryStep[] {
    const desired = this.#feed.desired;
    if (desired === null || this.#sent === null) return [];
    const from = this.#sent.hash;
    this.#sent = { ...desired, serial: this.#feed.serial };
    const { deltaGapMs, mostDeltaGapMs } = this.#settings;
    // Several changes in one delta are a stream. Single changes come from a person, who waits for them.
    const isStream = changes > 1 && now - this.#sentAt <= 2 * mostDeltaGapMs;
    this.#gapMs = isStream ? Math.max(deltaGapMs, Math.min(mostDeltaGapMs, 2 * this.#gapMs)) : deltaGapMs;
    this.#sentAt = now;
    const upserts = this.#settings.items(delta.upserts);
    const removes = [...delta.removes];
    const signed = this.#sign(desired, now);
    return [{ kind: 'send', message: { type: 'delta', from, upserts, removes, signed } }];
  }

  #lease(now: number): DeliveryStep[] {
    const desired = this.#feed.desired;
    if (desired === null) return [];
    this.#sent = { ...desired, serial: this.#feed.serial };
    return [{ kind: 'send', message: { type: 'lease', signed: this.#sign(desired, now) } }];
  }

  #sign(position: Position, now: number): SignedStatement {
    const leaseUntil = Math.min(now, this.#settings.leaseFrom?.() ?? now) + this.#settings.leaseMs();
    const statement = { agent: this.#settings.agent, ...position, issuedAt: now, leaseUntil };
    this.#signedAt = now;
    this.#leaseUntil = leaseUntil;
    return { statement, signature: this.#settings.sign(statementText(statement)) };
  }
}
