import { Cleanup, type Namespace, until, whyNoNamespaces } from '@sallyport/testkit';
import { destination, gatewayLab, type Lab, plainLab } from './forward-lab.ts';
import { type Contender, type PairedResult, paired } from './harness.ts';

/**
 * Measures forwarding through the gateway under full policy against the same gateway with masquerade only, and against
 * a plain tunnel with masquerade. Rates vary on a shared machine; the cost per packet at a fixed rate varies much less.
 */
export async function forwarding(rounds: number): Promise<PairedResult[]> {
  const why = whyNoNamespaces();
  if (why !== null) throw new Error(`the forwarding benchmark ${why}`);
  const cleanup = new Cleanup();
  try {
    const ours = await gatewayLab(cleanup);
    const plain = await plainLab(cleanup);
    const results: PairedResult[] = [];
    for (const { figure, unit, of, goals } of MEASURES) {
      const subject = { name: 'policy', measure: () => ours.policy().then(() => of(ours)) };
      const baselines: Contender[] = [
        { name: 'masquerade alone', measure: () => ours.masquerade().then(() => of(ours)) },
        { name: 'a plain tunnel with masquerade', measure: () => of(plain) },
      ];
      for (const [index, baseline] of baselines.entries())
        results.push(
          await paired(
            `${NAME}, over ${baseline.name}: ${figure}`,
            unit,
            { baseline, subject },
            { rounds, ...goals[index] },
          ),
        );
    }
    return results;
  } finally {
    await cleanup.run();
  }
}

const NAME = 'forwarding with 10,000 devices and 1,000 destinations under policy';

interface Measure {
  readonly figure: string;
  readonly unit: string;
  of(lab: Lab): Promise<number>;
  /** Returns the ratios to masquerade only, and to a plain tunnel. */
  readonly goals: readonly ({ readonly atLeast: number } | { readonly atMost: number })[];
}

const MEASURES: readonly Measure[] = [
  { figure: 'TCP', unit: 'Mbit/s', of: ({ sender }) => tcp(sender), goals: [{ atLeast: 0.95 }, { atLeast: 0.95 }] },
  {
    figure: '64-byte UDP',
    unit: 'packets/s',
    of: ({ sender }) => udp(sender),
    goals: [{ atLeast: 0.95 }, { atLeast: 0.92 }],
  },
  {
    figure: 'gateway CPU per packet at a fixed rate',
    unit: 'µs',
    of: (lab) => cpuPerPacket(lab),
    goals: [{ atMost: 1.05 }, { atMost: 1.08 }],
  },
];

interface Iperf {
  readonly end: {
    readonly sum_received?: { bits_per_second: number };
    readonly sum?: { packets: number; lost_packets: number; seconds: number };
  };
}

async function iperf(sender: Namespace, to: string, ...args: string[]): Promise<Iperf> {
  return until('iperf3', async () => {
    const result = JSON.parse(await sender.exec('iperf3', '-J', '-c', to, '-t', '3', ...args)) as Iperf;
    // Beside a flood, its own connection may fail, and then there is no sum.
    return result.end.sum === undefined && result.end.sum_received === undefined ? null : result;
  });
}

async function tcp(sender: Namespace): Promise<number> {
  const { end } = await iperf(sender, destination, '-O', '1');
  return (end.sum_received?.bits_per_second ?? Number.NaN) / 1e6;
}

/** Returns delivered packets per second of a sender at full speed. */
async function udp(sender: Namespace): Promise<number> {
  const { end } = await iperf(sender, destination, '-u', '-b', '0', '-l', '64');
  const { packets = Number.NaN, lost_packets = 0, seconds = Number.NaN } = end.sum ?? {};
  return (packets - lost_packets) / seconds;
}

/** Returns microseconds of CPU for each of 10,000 64-byte packets per second, half of them in each direction. */
export async function cpuPerPacket({ sender, cpu, packets }: Lab, to: string = destination): Promise<number> {
  const before = [await cpu.spent(), await packets()] as const;
  await iperf(sender, to, '-u', '--bidir', '-b', `${5_000 * 64 * 8}`, '-l', '64');
  const after = [await cpu.spent(), await packets()] as const;
  return (after[0] - before[0]) / (after[1] - before[1]) / 1000;
}

/** Returns delivered packets per second of a sender of 5,000 64-byte packets per second. */
export async function fixedRate(sender: Namespace, to: string): Promise<number> {
  const { end } = await iperf(sender, to, '-u', '-b', `${5_000 * 64 * 8}`, '-l', '64');
  const { packets = Number.NaN, lost_packets = 0, seconds = Number.NaN } = end.sum ?? {};
  return (packets - lost_packets) / seconds;
}
