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
  /** What the job before was about, by key: the base of the next change. Null: unknown, only a load will do. */
  #enforced: Map<string, StateItem> | null = null;
  /** Whether anything may pass. True at first: an agent before us may have left a living data plane. */
  #open = true;
  #running: { readonly job: number; readonly kind: Work['kind']; readonly about: Statement | null } | null = null;
  #jobs = 0;
  #touched = new Set<string>();
  #retimed = false;
  #wanted: 'nothing' | 'change' | 'load' = 'nothing';
  /** Why the state must not be started from, until the controller has spoken. */
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

  /** What is in force, as read back; null: nothing, or it is not known to be what it should. */
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

  /** Brings whatever an earlier agent left to the desired state, or closes it: then `barred` says why. */
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

  /** `cured`: what failed may work now, so the next try waits no longer than the first one did. */
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

  /** The clock was wrong until now: what was made by it is made again. */
  retime(moment: Moment): Effect[] {
    this.#retimed = true;
    this.#want('load');
    return this.#next(moment.now);
  }

  /** By so many milliseconds: waits move with it, the lease does not. */
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

  /** Null once closing was tried: if that failed, the retry is what is due. */
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
    // A copy, since the desired state goes on changing while the job is carried out.
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

  /** Null: it is closed already. */
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

  /** What is there is not what should be. After a change, looking at everything usually mends it. */
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
