import type { Channel, DesiredStates } from '../channel/types.ts';
import type { Store } from '../db/store.ts';
import type { Whereabouts } from '../runtime/whereabouts.ts';
import type { SecretBox } from '../secrets/box.ts';
import { createDeviceQueries, type DeviceQueries } from './devices/queries.ts';
import { GatewayLists } from './gateways/list.ts';
import { createGatewayQueries, type GatewayQueries } from './gateways/queries.ts';
import { readToken } from './gateways/token.ts';
import { createPeopleQueries, type PeopleQueries } from './people/queries.ts';
import { createResourceQueries, type ResourceQueries } from './resources/queries.ts';

/** What the queries of objects need beside the database. */
export interface ObjectQueryDeps {
  readonly store: Store;
  readonly box: SecretBox;
  readonly channel: Channel;
  readonly states: Pick<DesiredStates, 'current'>;
  readonly whereabouts: Pick<Whereabouts, 'of'>;
}

/** The queries of those kinds of objects whose answers tell more than their rows. */
export interface ObjectQueries {
  readonly gateways: GatewayQueries;
  readonly gatewayLists: GatewayLists;
  readonly resources: ResourceQueries;
  readonly devices: DeviceQueries;
  readonly people: PeopleQueries;
}

/** Makes the queries that features share. */
export function createObjectQueries({ store, box, channel, states, whereabouts }: ObjectQueryDeps): ObjectQueries {
  const gateways = createGatewayQueries(store, box, channel, states);
  const devices = createDeviceQueries({ now: store.now, channel, whereabouts, generation: store.generation });
  return {
    gateways,
    gatewayLists: new GatewayLists(store, channel, (row) => readToken(box, row)),
    resources: createResourceQueries(gateways, channel),
    devices,
    people: createPeopleQueries({ now: store.now, devices }),
  };
}
