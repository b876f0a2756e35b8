import { z } from 'zod';
import { chunks } from '../../db/chunks.ts';
import type { Replicas } from '../../replicas/types.ts';
import type { SourceReport } from '../device-sources.ts';
import type { Timers } from '../timers.ts';

/** What reports about sources are passed on with. */
export interface SourceReportsDeps {
  readonly replicas: Replicas;
  readonly timers: Timers;
  /** Process that decides about a device; null: this one. */
  readonly decider: (device: string) => string | null;
  /** Decides about a report from another process. */
  readonly decide: (tenant: string, report: SourceReport) => void;
}

const topic = 'source-reports';
/** Reports wait for others this long, and so many fit in a message. */
const [togetherMs, mostTogether] = [250, 100];
/** Reports that wait for one process. Gateways repeat the others with the next handshake. */
const mostWaiting = 10_000;

type TenantReport = SourceReport & { readonly tenant: string };

/**
 * Passes what gateways report about the source of a device on to the process that decides about the device: that of its
 * channel, which others cannot forge, or the one that has decided before. Reports may get lost, as gateways repeat them.
 */
export class SourceReports {
  readonly #deps: SourceReportsDeps;
  readonly #waiting = new Map<string, TenantReport[]>();
  #cancel: (() => void) | null = null;

  constructor(deps: SourceReportsDeps) {
    this.#deps = deps;
    deps.replicas.handle(topic, (body) => {
      for (const { tenant, ...report } of reportsForm.parse(body)) deps.decide(tenant, report);
    });
  }

  /** Returns whether another process decides about the device. It gets the report. */
  passOn(tenant: string, report: SourceReport): boolean {
    const { decider, replicas, timers } = this.#deps;
    const to = decider(report.device);
    if (to === null || to === replicas.self.id) return false;
    const waiting = this.#waiting.get(to) ?? [];
    this.#waiting.set(to, waiting);
    if (waiting.length < mostWaiting) waiting.push({ tenant, ...report });
    this.#cancel ??= timers.after(togetherMs, () => this.#send());
    return true;
  }

  stop(): void {
    this.#cancel?.();
    this.#waiting.clear();
  }

  #send(): void {
    this.#cancel = null;
    for (const [to, reports] of this.#waiting)
      for (const some of chunks(reports, mostTogether)) this.#deps.replicas.tell(to, topic, some);
    this.#waiting.clear();
  }
}

const id = z.string().max(64);
const reportsForm = z
  .array(z.object({ tenant: id, device: id, gateway: id, endpoint: z.string().max(300), handshake: z.number() }))
  .max(mostTogether);
