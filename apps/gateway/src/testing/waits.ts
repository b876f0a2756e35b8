import type { AgentMessage } from '@sallyport/contract/channel';
import { until } from '@sallyport/testkit';
import { serverAddress, World } from './world.ts';

/** Creates a world whose controller has the usual items. It is removed after the test. */
export async function deployableWorld(t: { after(step: () => Promise<void>): void }): Promise<World> {
  const made = await World.create();
  t.after(() => made.cleanup.run());
  await made.controller.change(made.items());
  return made;
}

/** Returns whether the server answers quickly. Use it to wait for answers and to check that none come. */
export const reachable = async ({ device }: World) =>
  (await device.tcp(serverAddress, 80, { timeoutMs: 400 })) === 'ok';

/**
 * Returns whether the server answers on a machine of any load. Use it only to check that it answers: a failure takes
 * long.
 */
export const stillReachable = async ({ device }: World) =>
  (await device.tcp(serverAddress, 80, { timeoutMs: 10_000 })) === 'ok';

/** Waits until the agent reports a failure with this code. */
export async function fails(made: World, code: string): Promise<Extract<AgentMessage, { type: 'failed' }>> {
  const found = await until(`the failure ${code}`, async () =>
    (await made.controller.heard()).findLast((message) => message.type === 'failed' && message.code === code),
  );
  return found as Extract<AgentMessage, { type: 'failed' }>;
}

/** Waits until the agent applied a state after the last failure. */
export async function recovers(made: World): Promise<void> {
  await until('the agent to recover', async () => {
    const news = (await made.controller.heard()).filter(({ type }) => type === 'applied' || type === 'failed');
    return news.at(-1)?.type === 'applied';
  });
}
