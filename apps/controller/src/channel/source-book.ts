import type { AgentEntry } from './agent-entry.ts';
import { DeviceSources, type SourceReport } from './device-sources.ts';
import type { Observations } from './observations.ts';

/** Parts of the channel that decide about sources of devices. */
export interface SourceBookDeps {
  /** Number of devices remembered. */
  readonly limit: number;
  readonly entry: (agent: string) => Pick<AgentEntry, 'link'> | undefined;
  readonly observations: Pick<Observations, 'deviceMoved'>;
  readonly moved: (tenant: string, device: string, source: string) => void;
  /** Passes a report on to the process that decides about the device. Returns false when this process decides. */
  readonly elsewhere: (tenant: string, report: SourceReport) => boolean;
}

/** Source addresses of devices from reports of gateways. One process decides about each device. */
export class SourceBook {
  readonly #deps: SourceBookDeps;
  readonly #sources: DeviceSources;

  constructor(deps: SourceBookDeps) {
    this.#deps = deps;
    this.#sources = new DeviceSources(deps.limit);
  }

  /** A gateway that is connected here reports. */
  reported(tenant: string, report: SourceReport): void {
    const here = this.#deps.entry(report.device)?.link ?? null;
    if (here === null && this.#deps.elsewhere(tenant, report)) return;
    this.decide(tenant, report);
  }

  /** Decides about a report, which may come from a gateway that is connected to another process. */
  decide(tenant: string, report: SourceReport): void {
    const native = this.#deps.entry(report.device);
    const source = this.#sources.seen(report, native && (native.link?.address ?? null));
    if (source === null) return;
    this.#deps.observations.deviceMoved(tenant, report.device, source);
    this.#deps.moved(tenant, report.device, source);
  }
}
