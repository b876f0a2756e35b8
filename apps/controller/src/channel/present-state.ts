import type { Revision } from '@sallyport/contract/channel';
import type { ChannelDeps } from './deps.ts';
import type { AgentRef, DesiredState } from './types.ts';

/**
 * Returns the state of an agent that reports one. An agent that knows a later revision got it from another process on the
 * same database: then the database is asked how far it is.
 */
export async function presentState(
  { states, catchUp }: Pick<ChannelDeps, 'states' | 'catchUp'>,
  { id, tenant }: AgentRef,
  reported: Revision | undefined,
): Promise<DesiredState | null> {
  const state = await states.current(id, tenant);
  if (state === null || catchUp === undefined || !isLater(reported, state.revision)) return state;
  await catchUp(tenant);
  return states.current(id, tenant);
}

const isLater = (reported: Revision | undefined, known: Revision): boolean =>
  reported !== undefined && reported.epoch === known.epoch && reported.number > known.number;
