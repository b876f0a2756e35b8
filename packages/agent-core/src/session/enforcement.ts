import type { AgentMessage, StateItem, Statement } from '@sallyport/contract/channel';
import { backoffDelay } from '../backoff.ts';
import type { DesiredState } from '../desired-state.ts';
import type { SessionTiming } from './timing.ts';
import type { AppliedState, Deadline, Effect, Input, ItemChange, Moment, Work } from './types.ts';

type Report = Extract<AgentMessage, { type: 'applied' | 'failed' }>;
type Done = Extract<Input, { kind: 'applied' }>;
type Failed = Extract<Input, { kind: 'apply-failed' }>;

/**
 * Keeps the data plane at the desired state. It runs one job at a time and joins changes that arrive meanwhile into the next
 * job. It retries failures, checks everything at intervals, and closes the data plane when the lease ends.
 *
 *   state     adopted          applied                     apply-failed   due
 *   closed    load             -                           -              close, if the lease ran out unseen
 *   settled   change or load   -                           -              load (sweep), close (lease over)
 *   busy      joined           settled, closed, or again   failing        -
 *   failing   load at once     -                           -              load (retry), close (lease over)
 */
export class Enforcement {
  readonly #timing: SessionTiming;
  readonly #desired: DesiredState;
  /** Items of the last job, by key: the base of the next change. Null: unknown, so the next job must be a load. */
  #enforced: Map<string, StateItem> | null = null;
  /** Whether traffic may pass. True at first, because an earlier agent may have left an open data plane. */
  #open = true;
  #running: { readonly job: number; readonly kind: Work['kind']; readonly about: Statement | null } | null = null;
  #jobs = 0;
  #touched = new Set<string>();
  #retimed = false;
  #wanted: 'nothing' | 'change' | 'load' = 'nothing';
  /** Reason not to use the stored state. Null after the first state from the controller. */
  #barred: string | null = null;
  #closeTried = false;
  #applied: AppliedState | null = null;
  #failure: (Report & { type: 'failed' }) | null = null;
  #attempts = 0;
  #retryAt: number | null = null;
  #sweepAt: number | null = null;
  #reports: Report[] = [];

  constructor(desired: DesiredState, timing: SessionTiming) {
    this.#desired = desired;
    this.#timing = timing;
  }

  /** State in force, as read back from the system. Null: none, or not known to match the desired state. */
  get applied(): AppliedState | null {
    return this.#applied;
  }

  get failure(): (Report & { type: 'failed' }) | null {
    return this.#failure;
  }

  /** Returns new reports for the controller since the last call. */
  takeReports(): Report[] {
    return this.#reports.splice(0);
  }

  /** Loads the desired state over the remains of an earlier agent. With a reason in `barred`, closes them instead. */
  start(barred: string | null, moment: Moment): Effect[] {
    this.#barred = barred;
    this.#wanted = 'load';
    return this.#next(moment.now);
  }

  adopted(touched: readonly string[], moment: Moment): Effect[] {
    for (const key of touched) this.#touched.add(key);
    this.#want('change');
    this.#retryAt = null;
    this.#barred = null;
    this.#closeTried = false;
    return this.#next(moment.now);
  }

  /** `cured`: the cause of a failure may be gone, so the next retry uses the first delay. */
  drift(moment: Moment, cured: boolean): Effect[] {
    this.#want('load');
    if (cured && this.#retryAt !== null) {
      this.#retryAt = Math.min(this.#retryAt, moment.now + this.#timing.applyRetry.firstMs);
    }
    return this.#next(moment.now);
  }

  done(input: Done, moment: Moment): Effect[] {
    const running = this.#running;
    if (running === null || running.job !== input.job) return [];
    this.#running = null;
    if (running.kind === 'close') this.#closed();
    else if (running.about?.hash === input.hash) this.#settled(running.about, running.kind, input, moment.now);
    else this.#unlike(running.kind, moment);
    return this.#next(moment.now);
  }

  failed(input: Failed, moment: Moment): Effect[] {
    if (this.#running?.job !== input.job) return [];
    const revision = this.#running.about?.revision;
    this.#running = null;
    this.#fail({ type: 'failed', ...(revision && { revision }), code: input.code, message: input.message }, moment);
    return this.#next(moment.now);
  }

  due(moment: Moment): Effect[] {
    if (this.#sweepAt !== null && moment.now >= this.#sweepAt) this.#want('load');
    const lease = this.#leaseDeadline();
    if (this.#retryAt !== null && (moment.now >= this.#retryAt || (lease !== null && moment.now >= lease))) {
      this.#retryAt = null;
    }
    return this.#next(moment.now);
  }

  /** Loads everything again after a clock correction, because earlier timeouts are wrong. */
  retime(moment: Moment): Effect[] {
    this.#retimed = true;
    this.#want('load');
    return this.#next(moment.now);
  }

  /** Moves all waits after the clock went back by `ms`. The lease does not move. */
  clockWentBack(ms: number): void {
    if (this.#retryAt !== null) this.#retryAt -= ms;
    if (this.#sweepAt !== null) this.#sweepAt -= ms;
  }

  deadlines(): Deadline[] {
    if (this.#running !== null) return [];
    const lease = this.#leaseDeadline();
    return [
      ...(lease === null ? [] : [{ at: lease, why: 'lease' } as const]),
      ...(this.#retryAt === null ? [] : [{ at: this.#retryAt, why: 'apply-retry' } as const]),
      ...(this.#sweepAt === null || this.#retryAt !== null ? [] : [{ at: this.#sweepAt, why: 'sweep' } as const]),
    ];
  }

  /** Returns the end of the lease. Returns null after a close was tried, because retries have their own deadline. */
  #leaseDeadline(): number | null {
    return this.#open && !this.#closeTried ? (this.#desired.statement?.leaseUntil ?? null) : null;
  }

  #want(what: 'change' | 'load'): void {
    if (this.#wanted !== 'load') this.#wanted = what;
  }

  #next(now: number): Effect[] {
    if (this.#running !== null || this.#retryAt !== null) return [];
    const work = this.#work(now);
    if (work === null) return [];
    this.#jobs += 1;
    this.#running = { job: this.#jobs, kind: work.kind, about: this.#desired.statement };
    this.#wanted = 'nothing';
    this.#touched = new Set();
    this.#sweepAt = null;
    return [{ kind: 'apply', job: this.#jobs, work }];
  }

  #work(now: number): Work | null {
    const statement = this.#desired.statement;
    if (statement === null) return this.#close('there is no state yet');
    if (this.#barred !== null) return this.#close(this.#barred);
    if (now >= statement.leaseUntil) {
      if (this.#wanted !== 'nothing' || this.#open) this.#report(leaseOver(statement));
      return this.#close('the lease is over');
    }
    if (this.#wanted === 'nothing') return null;
    this.#open = true;
    // This is a copy, because the desired state changes during the job.
    const items = new Map(this.#desired.items);
    if (this.#wanted === 'load' || this.#enforced === null) {
      this.#enforced = new Map(items);
      const retimed = this.#retimed;
      this.#retimed = false;
      return { kind: 'load', items, leaseUntil: statement.leaseUntil, retimed };
    }
    const changes = [...this.#touched].map((key) => this.#change(key)).filter(isChange);
    return { kind: 'change', changes, items, leaseUntil: statement.leaseUntil };
  }

  /** Returns the job that closes the data plane, or null if it is closed. */
  #close(reason: string): Work | null {
    this.#wanted = 'nothing';
    this.#enforced = null;
    this.#applied = null;
    if (!this.#open) return null;
    this.#closeTried = true;
    return { kind: 'close', reason };
  }

  #change(key: string): ItemChange {
    const before = this.#enforced?.get(key) ?? null;
    const after = this.#desired.items.get(key) ?? null;
    if (after === null) this.#enforced?.delete(key);
    else this.#enforced?.set(key, after);
    return { before, after };
  }

  #closed(): void {
    this.#open = false;
    this.#attempts = 0;
    if (this.#failure?.code !== 'lease-over') this.#failure = null;
  }

  #settled(about: Statement, kind: Work['kind'], input: Done, now: number): void {
    const before = this.#applied;
    this.#applied = { revision: about.revision, hash: about.hash };
    this.#sweepAt = now + this.#timing.sweepMs;
    this.#attempts = 0;
    const news = kind === 'change' || this.#failure !== null || input.mended.length > 0 || !sameApplied(before, about);
    this.#failure = null;
    if (news) this.#reports.push({ type: 'applied', revision: about.revision, hash: about.hash, tookMs: input.tookMs });
  }

  /** Handles a difference from the desired state. After a change, a full load usually repairs it. */
  #unlike(kind: Work['kind'], moment: Moment): void {
    if (kind === 'change') {
      this.#applied = null;
      this.#want('load');
      return;
    }
    const message =
      'The system does not show what was applied to it. Another program may be changing the tunnel interface or its nftables table; look for it and stop it. The agent keeps trying.';
    this.#fail({ type: 'failed', code: 'not-applied', message }, moment);
  }

  #fail(failure: Report & { type: 'failed' }, moment: Moment): void {
    this.#applied = null;
    this.#enforced = null;
    this.#want('load');
    this.#retryAt = moment.now + backoffDelay(this.#timing.applyRetry, this.#attempts, moment.random);
    this.#attempts += 1;
    this.#report(failure);
  }

  /** Reports a failure unless it equals the last one. */
  #report(failure: Report & { type: 'failed' }): void {
    const known = this.#failure;
    this.#failure = failure;
    if (known?.code !== failure.code || known.message !== failure.message) this.#reports.push(failure);
  }
}

function leaseOver(about: Statement): Report & { type: 'failed' } {
  const end = new Date(about.leaseUntil).toISOString();
  const message = `The lease ended at ${end} by this host's clock: nothing passes until the controller renews it. If both are connected, compare their clocks.`;
  return { type: 'failed', revision: about.revision, code: 'lease-over', message };
}

function isChange({ before, after }: ItemChange): boolean {
  return before !== null || after !== null;
}

function sameApplied(a: AppliedState | null, b: AppliedState): boolean {
  return (
    a !== null && a.hash === b.hash && a.revision.epoch === b.revision.epoch && a.revision.number === b.revision.number
  );
}
