import { isOpenUpgrade, type UpgradeState } from '@sallyport/contract';
import { isOutdated } from '../../../channel/outdated.ts';
import type { Presence } from '../../../channel/types.ts';
import type { UpgradeRecord } from '../../../objects/gateways/upgrade.ts';

/** An upgrade that waits or runs. */
export interface OpenUpgrade {
  readonly gateway: string;
  readonly name: string;
  readonly record: UpgradeRecord;
}

/** Next step for the upgrades of one tenant. */
export type Step =
  | { readonly kind: 'set'; readonly upgrade: OpenUpgrade; readonly state: UpgradeState; readonly reason?: string }
  /** The agent has to be asked again, because it may have missed the request. */
  | { readonly kind: 'repeat'; readonly upgrade: OpenUpgrade }
  | { readonly kind: 'wait' };

/** What a step is decided from. */
export interface Situation {
  readonly presence: (gateway: string) => Pick<Presence, 'connected' | 'agent'>;
  /** Version that the controller offers. */
  readonly offered: string;
  readonly now: number;
}

/** Longest time without a word from an agent that was asked, milliseconds: a slow download takes long. */
export const longestSilenceMs = 45 * 60_000;

/**
 * Decides what comes next among the open upgrades of a tenant. Gateways are upgraded one after the other, so two gateways
 * of the same resource never restart together. A gateway that is away keeps its place and holds up no other.
 */
export function nextStep(open: readonly OpenUpgrade[], situation: Situation): Step {
  const running = open.find(({ record }) => record.state !== 'QUEUED');
  if (running !== undefined)
    return running.record.changedAt + longestSilenceMs > situation.now ? repeat(running) : silent(running);
  const queue = open.toSorted(
    (a, b) => a.record.requestedAt - b.record.requestedAt || (a.gateway < b.gateway ? -1 : 1),
  );
  for (const upgrade of queue) {
    const step = begin(upgrade, situation);
    if (step !== null) return step;
  }
  return { kind: 'wait' };
}

const repeat = (upgrade: OpenUpgrade): Step => ({ kind: 'repeat', upgrade });

const silent = (upgrade: OpenUpgrade): Step => ({
  kind: 'set',
  upgrade,
  state: 'FAILED',
  reason: 'The gateway did not report the end of the upgrade in time',
});

function begin(upgrade: OpenUpgrade, { presence, offered }: Situation): Step | null {
  const { version } = upgrade.record;
  if (version !== offered)
    return { kind: 'set', upgrade, state: 'STOPPED', reason: `The controller offers version ${offered} now` };
  const { connected, agent } = presence(upgrade.gateway);
  if (!connected || agent === undefined) return null;
  if (!isOutdated(agent.version, version)) return { kind: 'set', upgrade, state: 'DONE' };
  if (agent.upgrades !== 'allowed')
    return { kind: 'set', upgrade, state: 'STOPPED', reason: 'The host no longer allows upgrades' };
  return { kind: 'set', upgrade, state: 'ASKED' };
}

/** Order of the states of an upgrade that runs. An agent cannot go back, so it causes few writes. */
const order: readonly UpgradeState[] = ['ASKED', 'DOWNLOADING', 'VERIFYING', 'TRIAL'];

/** Whether a running upgrade may go from one state to another. */
export function mayFollow(before: UpgradeState, after: UpgradeState): boolean {
  if (!order.includes(before)) return false;
  return isOpenUpgrade(after) ? order.indexOf(after) > order.indexOf(before) : true;
}

/** Whether an upgrade ended so badly that the others have to wait for a person. */
export const isBadEnd = (state: UpgradeState): boolean => state === 'RETURNED' || state === 'FAILED';
