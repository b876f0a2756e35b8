import { Listeners } from './listeners.ts';
import type { AgentRef, Channel } from './types.ts';

type FindPath = Parameters<Parameters<Channel['onFindPath']>[0]>;
type Upgrading = Parameters<Parameters<Channel['onUpgrading']>[0]>;

/** Listeners to everything that the channel tells the rest of the controller. */
export class ChannelEvents {
  readonly presence: Listeners<[agent: string]>;
  readonly reports: Listeners<Parameters<Parameters<Channel['onReport']>[0]>>;
  readonly #paths: Listeners<[string, ...FindPath]>;
  readonly #upgrades: Listeners<[string, ...Upgrading]>;

  /** `failed` gets what listeners throw, with the agent that the event is about. */
  constructor(failed: (agent: string, error: unknown) => void) {
    this.presence = new Listeners(failed);
    this.reports = new Listeners(failed);
    this.#paths = new Listeners(failed);
    this.#upgrades = new Listeners(failed);
  }

  onFindPath(listener: (...event: FindPath) => void): () => void {
    return this.#paths.add((_, ...event) => listener(...event));
  }

  findPath(agent: AgentRef, request: FindPath[1]): void {
    this.#paths.tell(agent.id, agent, request);
  }

  onUpgrading(listener: (...event: Upgrading) => void): () => void {
    return this.#upgrades.add((_, ...event) => listener(...event));
  }

  upgrading(agent: AgentRef, progress: Upgrading[1]): void {
    this.#upgrades.tell(agent.id, agent, progress);
  }

  clear(): void {
    for (const listeners of [this.presence, this.reports, this.#paths, this.#upgrades]) listeners.clear();
  }
}
