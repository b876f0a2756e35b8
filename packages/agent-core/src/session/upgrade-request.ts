import type { Upgrade, Upgrading } from '@sallyport/contract/channel';
import type { Effect } from './types.ts';

/** The upgrade that the controller asked for on this connection. Whether the host takes part is decided outside. */
export class UpgradeRequest {
  #request: string | null = null;

  /** Forgets the request of an earlier connection. */
  reset(): void {
    this.#request = null;
  }

  asked({ request, version }: Upgrade): Effect {
    this.#request = request;
    return { kind: 'upgrade', request, version };
  }

  /** Returns the message for a state of an upgrade; null when the controller did not ask for it. */
  report(progress: Omit<Upgrading, 'type'>): Upgrading | null {
    return progress.request === this.#request ? { type: 'upgrading', ...progress } : null;
  }
}
