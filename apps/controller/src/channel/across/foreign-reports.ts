import { chunks } from '../../db/chunks.ts';
import type { Replicas } from '../../replicas/types.ts';
import type { Timers } from '../timers.ts';
import type { ReportKind } from '../types.ts';
import { fittingAnswer, readAnswer, readQuestion, type SharedReports } from './report-form.ts';

/** What the exchange of reports uses, and what it tells. */
export interface ForeignReportsHost {
  readonly replicas: Pick<Replicas, 'ask' | 'tell' | 'handle'>;
  readonly clock: () => number;
  readonly timers: Timers;
  /** The other process that has an agent, if there is one to be asked. */
  readonly holder: (agent: string) => string | null;
  /** Reports of an agent of this process; null: it has no such agent. */
  readonly reports: (agent: string, kind: ReportKind) => SharedReports | null;
  /** An agent of another process that was asked for has reported. */
  readonly reported: (agent: string) => void;
}

/** Views leave out what does not come in this time. */
const patienceMs = 1_000;
/** Age at which reports are asked for again, and at which they do not count any more. */
const freshMs = 250;
const keptMs = 15_000;
const mostKept = 10_000;
/** How long another process is told of an agent that it asked for, and how often at most. */
const interestMs = 60_000;
const tellMs = 500;
const mostInOneQuestion = 1_000;
const mostInterests = 50_000;

const asked = 'agent-reports';
const told = 'agents-reported';

/**
 * Reports of agents of other processes. They are asked for when a view needs them, by one message for each process, and
 * kept for a moment, so that the view can read them.
 */
export class ForeignReports {
  readonly #host: ForeignReportsHost;
  /** By kind and agent, the oldest first. */
  readonly #kept = new Map<string, { readonly at: number; readonly reports: SharedReports }>();
  readonly #asking = new Map<string, Promise<void>>();
  /** Until when another process is told of an agent of this one, by agent and process. */
  readonly #interests = new Map<string, Map<string, number>>();
  readonly #news = new Map<string, Set<string>>();
  #cancel: (() => void) | null = null;

  constructor(host: ForeignReportsHost) {
    this.#host = host;
    host.replicas.handle(asked, (body, from) => this.#answer(body, from));
    host.replicas.handle(told, (body) => {
      for (const agent of Array.isArray(body) ? (body as unknown[]) : [])
        if (typeof agent === 'string') this.#reported(agent);
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Reports of an agent that were asked for just now; an empty object: none came. */
  of(agent: string, kind: ReportKind): SharedReports {
    const kept = this.#kept.get(`${kind} ${agent}`);
    return kept === undefined || this.#host.clock() - kept.at > keptMs ? {} : kept.reports;
  }

  /** Asks for reports of those agents that other processes have. Resolves when they are there, or a second has passed. */
  async gather(agents: readonly string[], kind: ReportKind): Promise<void> {
    const now = this.#host.clock();
    const wanted = agents.filter((agent) => {
      const kept = this.#kept.get(`${kind} ${agent}`);
      return kept === undefined || now - kept.at >= freshMs;
    });
    const byHolder = Map.groupBy(wanted, (agent) => this.#host.holder(agent));
    byHolder.delete(null);
    if (byHolder.size === 0) return;
    await Promise.all([...byHolder].map(([holder, some]) => this.#gatherFrom(holder ?? '', some, kind)));
  }

  /** An agent of this process has reported: those that asked for it are told. */
  heard(agent: string): void {
    const interests = this.#interests.get(agent);
    if (interests === undefined) return;
    const now = this.#host.clock();
    for (const [replica, until] of interests) {
      if (until < now) interests.delete(replica);
      else this.#news.set(replica, (this.#news.get(replica) ?? new Set()).add(agent));
    }
    if (interests.size === 0) this.#interests.delete(agent);
    if (this.#news.size > 0) this.#cancel ??= this.#host.timers.after(tellMs, () => this.#tell());
  }

  #tell(): void {
    this.#cancel = null;
    for (const [replica, agents] of this.#news)
      for (const some of chunks([...agents], mostInOneQuestion)) this.#host.replicas.tell(replica, told, some);
    this.#news.clear();
  }

  #reported(agent: string): void {
    for (const kind of ['statistics', 'probes', 'paths']) this.#kept.delete(`${kind} ${agent}`);
    this.#host.reported(agent);
  }

  /** Agents that are being asked for already are waited for. */
  async #gatherFrom(holder: string, agents: readonly string[], kind: ReportKind): Promise<void> {
    const waits = agents.map((agent) => this.#asking.get(`${kind} ${agent}`)).filter((wait) => wait !== undefined);
    const others = agents.filter((agent) => !this.#asking.has(`${kind} ${agent}`));
    const questions = [...chunks(others, mostInOneQuestion)].map((some) => {
      const question = this.#ask(holder, some, kind).finally(() => {
        for (const agent of some) this.#asking.delete(`${kind} ${agent}`);
      });
      for (const agent of some) this.#asking.set(`${kind} ${agent}`, question);
      return question;
    });
    await Promise.all([...waits, ...questions]);
  }

  /** An answer may have room for a part of the agents only. */
  async #ask(holder: string, agents: readonly string[], kind: ReportKind): Promise<void> {
    const began = performance.now();
    for (let left = agents; left.length > 0; ) {
      const patience = patienceMs - (performance.now() - began);
      const answer =
        patience <= 0
          ? null
          : readAnswer(await this.#host.replicas.ask(holder, asked, { agents: left, kind }, patience));
      const found = answer === null ? [] : left.filter((agent) => answer[agent] !== undefined);
      for (const agent of found) this.#keep(`${kind} ${agent}`, answer?.[agent] ?? {});
      if (found.length === 0) return;
      left = left.filter((agent) => answer?.[agent] === undefined);
    }
  }

  #keep(key: string, reports: SharedReports): void {
    this.#kept.delete(key);
    this.#kept.set(key, { at: this.#host.clock(), reports });
    const oldest = this.#kept.size > mostKept ? this.#kept.keys().next().value : undefined;
    if (oldest !== undefined) this.#kept.delete(oldest);
  }

  #answer(body: unknown, from: string): unknown {
    const question = readQuestion(body);
    if (question === null) return null;
    const until = this.#host.clock() + interestMs;
    return fittingAnswer(question.agents, (agent) => {
      const reports = this.#host.reports(agent, question.kind);
      if (reports !== null) this.#interested(agent, from, until);
      return reports;
    });
  }

  #interested(agent: string, replica: string, until: number): void {
    const known = this.#interests.get(agent) ?? new Map<string, number>();
    this.#interests.delete(agent);
    this.#interests.set(agent, known.set(replica, until));
    const oldest = this.#interests.size > mostInterests ? this.#interests.keys().next().value : undefined;
    if (oldest !== undefined) this.#interests.delete(oldest);
  }
}
