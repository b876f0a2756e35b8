/**
 * Measures in pairs: subject and baseline alternate within one run on one machine, and only their ratio counts.
 * Absolute figures of shared machines mean little; ratios of adjacent rounds are comparable.
 */

/** One subject to measure: returns a rate (more is better) or an amount (less is better) per round. */
export interface Contender {
  readonly name: string;
  measure(): Promise<number>;
}

/** Result of a paired measurement. */
export interface PairedResult {
  readonly figure: string;
  readonly unit: string;
  readonly rounds: readonly { readonly baseline: number; readonly subject: number }[];
  readonly baseline: number;
  readonly subject: number;
  /** Median of the rounds' ratios subject / baseline. */
  readonly ratio: number;
  readonly toReach: string;
  readonly reached: boolean;
}

/** Alternates the two, `rounds` times after one warm-up round. */
export async function paired(
  figure: string,
  unit: string,
  contenders: { readonly baseline: Contender; readonly subject: Contender },
  options: { readonly rounds: number; readonly atLeast?: number; readonly atMost?: number },
): Promise<PairedResult> {
  const { baseline, subject } = contenders;
  const { atLeast = 0, atMost } = options;
  await baseline.measure();
  await subject.measure();
  const rounds: { baseline: number; subject: number }[] = [];
  for (let round = 0; round < options.rounds; round++) {
    // The order changes each round, so that a drift of the machine affects both alike.
    const first = round % 2 === 0;
    const a = first ? await baseline.measure() : await subject.measure();
    const b = first ? await subject.measure() : await baseline.measure();
    rounds.push(first ? { baseline: a, subject: b } : { baseline: b, subject: a });
  }
  const ratio = median(rounds.map((round) => round.subject / round.baseline));
  return {
    figure,
    unit,
    rounds,
    baseline: median(rounds.map((round) => round.baseline)),
    subject: median(rounds.map((round) => round.subject)),
    ratio,
    toReach: atMost === undefined ? `ratio at least ${atLeast}` : `ratio at most ${atMost}`,
    reached: atMost === undefined ? ratio >= atLeast : ratio <= atMost,
  };
}

/** Result of a plain measurement. */
export interface AmountResult {
  readonly figure: string;
  readonly unit: string;
  readonly rounds: readonly number[];
  readonly median: number;
  readonly toReach: string;
  readonly reached: boolean;
}

/** Measures a plain amount; less is better. */
export async function amount(
  figure: string,
  unit: string,
  measure: () => Promise<number>,
  options: { rounds: number; atMost: number },
): Promise<AmountResult> {
  const rounds: number[] = [];
  for (let round = 0; round < options.rounds; round++) rounds.push(await measure());
  const middle = median(rounds);
  return {
    figure,
    unit,
    rounds,
    median: middle,
    toReach: `at most ${options.atMost} ${unit}`,
    reached: middle <= options.atMost,
  };
}

/** Returns the median. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** Formats one line of a Markdown table. */
export function row(result: PairedResult | AmountResult): string {
  const figure = (value: number): string =>
    value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
  if ('ratio' in result) {
    return `| ${result.figure} | ${figure(result.subject)} | ${figure(result.baseline)} | ${result.unit} | **${result.ratio.toFixed(2)}** | ${result.toReach} |`;
  }
  return `| ${result.figure} | ${figure(result.median)} | | ${result.unit} | | ${result.toReach} |`;
}
