/** Figures of the tenant at one moment. */
export interface Figures {
  readonly devicesOnline: number;
  readonly gatewaysOnline: number;
  /** Bytes through gateways since they started; null: not known. */
  readonly bytes: number | null;
  /** Changes that gateways have not applied yet; null: not known. */
  readonly lag: number | null;
}

/** Figures with their time, epoch milliseconds. */
export interface Sample extends Figures {
  readonly at: number;
}

/** Samples that are kept: half an hour. */
const mostSamples = 180;
/** Time between two samples, milliseconds. */
export const sampleMs = 10_000;

let samples: readonly Sample[] = [];

/** Adds the figures of a moment. Figures that follow soon take the place of the last ones. */
export function record(figures: Figures, at: number): readonly Sample[] {
  const last = samples.at(-1);
  const kept = last !== undefined && at - last.at < sampleMs / 2 ? samples.slice(0, -1) : samples;
  samples = [...kept, { ...figures, at }].slice(-mostSamples);
  return samples;
}

/** Returns bytes per second between samples. A counter that went back, because a gateway started again, counts as 0. */
export function ratesOf(all: readonly Sample[]): number[] {
  return all.slice(1).flatMap((sample, i) => {
    const before = all[i];
    if (before === undefined || sample.bytes === null || before.bytes === null || sample.at <= before.at) return [];
    return [(Math.max(0, sample.bytes - before.bytes) * 1000) / (sample.at - before.at)];
  });
}
