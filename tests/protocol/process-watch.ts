import type { Holding } from '../../apps/controller/src/channel/holding.ts';
import type { ControllerIdentity, SigningKey } from '../../apps/controller/src/secrets/identity.ts';

/** Hears what one process of a controller does for agents, until it is killed. */
export interface ProcessWatch {
  /** It has the agent alone from now on, as far as it knows. */
  claimed(agent: string, generation: number): void;
  signed(text: string): void;
}

interface Life {
  readonly killed: boolean;
}

/** Reports every claim. */
export function watchedHolding(holding: Holding, watch: ProcessWatch, life: Life): Holding {
  const claim: Holding['claim'] = async (agent) => {
    const generation = await holding.claim(agent);
    if (!life.killed) watch.claimed(agent.id, generation);
    return generation;
  };
  return { ...holding, claim };
}

/** Reports every text that is signed. The same key stays the same object. */
export function watchedIdentity(identity: ControllerIdentity, watch: ProcessWatch, life: Life): ControllerIdentity {
  const keys = new Map<SigningKey, SigningKey>();
  const watched = (key: SigningKey): SigningKey => {
    const sign = (text: string) => {
      if (!life.killed) watch.signed(text);
      return key.sign(text);
    };
    const known = keys.get(key) ?? { ...key, sign };
    keys.set(key, known);
    return known;
  };
  return {
    get key() {
      return watched(identity.key);
    },
    get earlier() {
      return identity.earlier === null ? null : watched(identity.earlier);
    },
    get successions() {
      return identity.successions;
    },
    get fingerprint() {
      return identity.fingerprint;
    },
    epoch: identity.epoch,
  };
}
