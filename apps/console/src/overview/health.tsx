import type { Gateway } from '@sallyport/contract';
import { useEffect, useRef, useState } from 'react';
import { bytes } from '../kit/text.ts';
import { Sparkline } from './chart.tsx';
import { type Figures, ratesOf, record, type Sample, sampleMs } from './samples.ts';

/** Adds up what gateways report about themselves. */
export function sumOf(gateways: readonly Gateway[]): Pick<Figures, 'bytes' | 'lag'> {
  const known = gateways.flatMap(({ statistics }) => statistics ?? []);
  return {
    bytes: known.reduce((sum, { bytesIn, bytesOut }) => sum + bytesIn + bytesOut, 0),
    lag: known.reduce((sum, { lag = 0 }) => sum + lag, 0),
  };
}

/** Figures over time, from the moment at which the overview was opened. */
export function Health({ figures, part }: { figures: Figures; part: string | null }) {
  const samples = useSamples(figures);
  const rates = ratesOf(samples);
  const since = new Date(samples[0]?.at ?? Date.now()).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  const of = (read: (sample: Sample) => number | null) => samples.flatMap((sample) => read(sample) ?? []);
  return (
    <section className="stack tight" aria-labelledby="health">
      <h2 id="health" className="small muted">
        Since {since}
        {part !== null && `, traffic and lag of ${part}`}
      </h2>
      <div className="figures charts">
        <Chart
          title="Devices online"
          value={figures.devicesOnline.toLocaleString('en')}
          values={of(({ devicesOnline }) => devicesOnline)}
        />
        <Chart
          title="Gateways online"
          value={figures.gatewaysOnline.toLocaleString('en')}
          values={of(({ gatewaysOnline }) => gatewaysOnline)}
        />
        <Chart
          title="Traffic"
          value={rates.length === 0 ? '–' : `${bytes(Math.round(rates.at(-1) ?? 0))}/s`}
          values={rates}
        />
        <Chart
          title="Enforcement lag"
          value={
            figures.lag === null ? '–' : figures.lag === 0 ? 'none' : `${figures.lag.toLocaleString('en')} changes`
          }
          values={of(({ lag }) => lag)}
        />
      </div>
    </section>
  );
}

function Chart({ title, value, values }: { title: string; value: string; values: readonly number[] }) {
  const [least, most] = [Math.min(...values), Math.max(...values)].map((one) => Math.round(one).toLocaleString('en'));
  return (
    <div className="figure">
      <span className="muted small">{title}</span>
      <strong>{value}</strong>
      <Sparkline
        values={values}
        about={values.length < 2 ? `${title}: no course yet` : `${title}: between ${least} and ${most}`}
      />
    </div>
  );
}

/** Keeps the course of figures while the overview is shown. */
function useSamples(figures: Figures): readonly Sample[] {
  const [samples, setSamples] = useState(() => record(figures, Date.now()));
  const latest = useRef(figures);
  latest.current = figures;
  useEffect(() => {
    const timer = setInterval(() => setSamples(record(latest.current, Date.now())), sampleMs);
    return () => clearInterval(timer);
  }, []);
  return samples;
}
