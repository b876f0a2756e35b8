import type { OperationName } from '@sallyport/contract';
import type { BeaconKeys } from '../beacon/keys.ts';
import type { SharedSpending } from '../budgets/shared-spending.ts';
import type { Timers } from '../channel/timers.ts';
import type { Channel, DesiredStates } from '../channel/types.ts';
import type { Countries } from '../countries.ts';
import type { StillRunner } from '../db/jobs.ts';
import type { Store } from '../db/store.ts';
import type { EgressSettings } from '../egress/targets.ts';
import { createBatch } from '../http/batch.ts';
import type { Handlers } from '../http/handlers.ts';
import type { InstallOffer } from '../http/packages/offer.ts';
import type { ObjectQueries } from '../objects/queries.ts';
import type { SignInDeps } from '../objects/sign-in/deps.ts';
import type { Replicas } from '../replicas/types.ts';
import type { TenantRuntimes } from '../runtime/runtimes.ts';
import type { SecretBox } from '../secrets/box.ts';
import type { ControllerIdentity } from '../secrets/identity.ts';
import type { GatewayUpgrades } from './gateways/upgrades/upgrades.ts';
import * as features from './index.ts';

/** Everything that features are built from. Each names the few parts that it takes. */
export interface FeatureParts extends ObjectQueries, SignInDeps {
  readonly store: Store;
  readonly timers: Timers;
  readonly box: SecretBox;
  readonly identity: ControllerIdentity;
  readonly channel: Channel;
  readonly replicas: Replicas;
  /** Budgets that all replicas share. */
  readonly spending: SharedSpending;
  readonly states: Pick<DesiredStates, 'current'>;
  readonly worlds: Pick<TenantRuntimes, 'world'>;
  /** Where the controller may call on behalf of tenants. */
  readonly egress: EgressSettings;
  readonly beacon: { readonly keys: Pick<BeaconKeys, 'probe'> };
  readonly countries: Pick<Countries, 'known'>;
  /** Address at which others reach the controller; null: not known. */
  readonly publicUrl: string | null;
  /** Whether other hosts can install from this controller. */
  readonly installOffer: InstallOffer;
  readonly upgrades: Pick<GatewayUpgrades, 'request' | 'cancel'>;
  /** WireGuard keys of the controller itself, base64. */
  readonly reservedKeys: ReadonlySet<string>;
  /** Last use of an API key, epoch milliseconds. */
  readonly keyLastUsed: (keyId: string) => number | null;
  /** Counts explained decisions. */
  readonly explained: (decisions: number) => void;
}

/** A part of the API: its operations, and what has to be done for it now and then. */
interface Feature {
  readonly routes: (parts: FeatureParts) => Partial<Handlers>;
  readonly maintain?: (parts: FeatureParts, still: StillRunner) => Promise<void>;
}

type Features = typeof features;
/** Operations that some feature serves. */
type Served = { [F in keyof Features]: keyof ReturnType<Features[F]['routes']> }[keyof Features];

/** All features together. */
export interface ComposedFeatures {
  readonly handlers: Handlers<OperationName>;
  /** Drops what the features no longer need. Called now and then, by one replica at a time. */
  maintain(still: StillRunner): Promise<void>;
}

/** Builds every feature that `index.ts` lists. An operation of the contract that no feature serves does not type-check. */
export function composeFeatures(parts: FeatureParts): ComposedFeatures {
  const all: readonly Feature[] = Object.values<Feature>(features);
  const served: Handlers<Served> = Object.assign({}, ...all.map(({ routes }) => routes(parts)));
  return {
    handlers: { ...served, writeBatch: createBatch(served) },
    maintain: async (still) => {
      for (const { maintain } of all) await maintain?.(parts, still);
    },
  };
}
