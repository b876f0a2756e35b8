import type { TestContext } from 'node:test';
import { monotonicMs } from '@sallyport/testkit';
import type { gatewayPair } from './paths-topologies.ts';

type Pair = Awaited<ReturnType<typeof gatewayPair>>;

/** Requires that a fault of the first gateway moves the route to the second, and that the route returns after it. */
export async function movesAndReturns(t: TestContext, { s, via, stream }: Pair, fault: () => Promise<void>) {
  await stream.answered(monotonicMs(), via.east);
  const at = monotonicMs();
  await fault();
  const first = await stream.answered(at, via.west);
  t.diagnostic(`through the other gateway after ${Math.round(first.at + first.ms - at)} ms`);
  await s.lab.restore('east');
  await stream.answered(monotonicMs(), via.east);
}

/** Requires that a lost LAN moves the route while controller and agent are dead. */
export async function leavesLostLan(t: TestContext, pair: Pair, ways: readonly ('silently' | 'unplugged')[]) {
  const { s, via, laptop, stream } = pair;
  await stream.answered(monotonicMs(), via.east);
  await s.controller.daemon.kill('SIGKILL');
  await s.gateway('east').agent.daemon.kill('SIGKILL');
  await laptop.is('no controller', ({ controller }) => !controller.connected);
  for (const how of ways) {
    await stream.answered(monotonicMs(), via.east, 120_000);
    const at = monotonicMs();
    await s.lab.cutLan('east', how);
    const first = await stream.answered(at, via.west);
    t.diagnostic(`cut ${how}: through the other gateway after ${Math.round(first.at + first.ms - at)} ms`);
    await s.lab.restore('east');
  }
  await stream.answered(monotonicMs(), via.east, 120_000);
}
