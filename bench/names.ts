import { Cleanup, whyNoNamespaces } from '@sallyport/testkit';
import { cpuPerPacket, fixedRate } from './forward.ts';
import { type AmountResult, amount, type PairedResult, paired } from './harness.ts';
import { type LoneNames, loneNames, type TunnelledNames, tunnelledNames } from './names-lab.ts';

const names = 10_000;
const queryMs = 2_000;
const floodPerSecond = 5_000;
/** Datagrams to this port of the gateway are dropped. They cost the sender and the tunnel as much as queries. */
const closedPort = 54;

/** Measures the names of a gateway: changes, queries, first connections, packets, and a flood of queries. */
export async function naming(rounds: number): Promise<(PairedResult | AmountResult)[]> {
  const why = whyNoNamespaces();
  if (why !== null) throw new Error(`the benchmark of names ${why}`);
  const cleanup = new Cleanup();
  try {
    return [
      ...(await withoutTunnel(await loneNames(names, cleanup), rounds)),
      ...(await throughTunnel(await tunnelledNames(names, cleanup), rounds)),
    ];
  } finally {
    await cleanup.run();
  }
}

async function withoutTunnel({ rig, device, echo, sources }: LoneNames, rounds: number) {
  const changes = { rounds: Math.max(rounds, 5), atMost: 20 };
  const moved = await amount(
    '10,000 names at a gateway: the address of one changes, until it is in force',
    'ms',
    () => rig.ask({ op: 'move' }),
    changes,
  );
  const added = await amount(
    '10,000 names at a gateway: one is added, until it is resolved and in force',
    'ms',
    () => rig.ask({ op: 'add' }),
    changes,
  );
  /** Answers of a server for each second of its processor time. */
  const rate = async (server: { ask(order: { readonly op: 'usage' }): Promise<number> }, isEcho: boolean) => {
    const before = await server.ask({ op: 'usage' });
    const answers = await device.ask({ op: 'ask', echo: isEcho, sources, ms: queryMs });
    return answers / (((await server.ask({ op: 'usage' })) - before) / 1e6);
  };
  const queries = await paired(
    'queries for known names per second of processor time, over a bare UDP echo in Node',
    'queries/s',
    {
      baseline: { name: 'echo', measure: () => rate(echo, true) },
      subject: { name: 'names', measure: () => rate(rig, false) },
    },
    { rounds, atLeast: 0.4 },
  );
  return [moved, added, queries];
}

async function throughTunnel({ lab, rig, device, addresses, other, port }: TunnelledNames, rounds: number) {
  const source = '100.64.0.2';
  const connecting = async () => {
    const name = await rig.ask({ op: 'cold' });
    const connected = await device.ask({ op: 'connect', source, name, port });
    return connected - (await rig.ask({ op: 'answered' }));
  };
  await connecting();
  const cold = await amount('first connection to a cold name, after the answer of the resolver', 'ms', connecting, {
    rounds: Math.max(rounds, 5),
    atMost: 15,
  });
  const packets = await paired(
    'gateway CPU per packet at a fixed rate: to a name, over the same to its address',
    'µs',
    {
      baseline: { name: 'address', measure: () => cpuPerPacket(lab, addresses.real) },
      subject: { name: 'name', measure: () => cpuPerPacket(lab, addresses.virtual) },
    },
    { rounds, atMost: 1.05 },
  );
  const beside = async (to: number) => {
    await device.ask({ op: 'flood', source: other, perSecond: floodPerSecond, port: to });
    try {
      return await fixedRate(lab.sender, addresses.virtual);
    } finally {
      await device.ask({ op: 'calm' });
    }
  };
  const flood = await paired(
    'packets through a name beside 5,000 queries a second of another device, over the same beside dropped datagrams',
    'packets/s',
    {
      baseline: { name: 'dropped', measure: () => beside(closedPort) },
      subject: { name: 'queries', measure: () => beside(53) },
    },
    { rounds, atLeast: 0.95 },
  );
  return [cold, packets, flood];
}
