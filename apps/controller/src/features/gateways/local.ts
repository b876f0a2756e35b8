import { scoped, unscoped } from '../../db/scoped.ts';
import type { Store, WriteContext } from '../../db/store.ts';
import type { SecretBox } from '../../secrets/box.ts';
import type { ControllerIdentity } from '../../secrets/identity.ts';
import { listTenants } from '../tenants/commands.ts';
import { createGateway } from './commands.ts';
import { findGateway } from './store.ts';
import { readToken } from './token.ts';

export interface LocalGatewayDeps {
  readonly store: Store;
  readonly box: SecretBox;
  readonly identity: ControllerIdentity;
}

/**
 * Token of the gateway that runs beside the controller: made once, in the first tenant. Null when an administrator has
 * deleted it since: that was an order.
 */
export async function localGatewayToken(deps: LocalGatewayDeps): Promise<string | null> {
  const { store, box } = deps;
  const meta = unscoped(store.db, 'which gateway is the local one belongs to the controller');
  const known = await meta.selectFrom('meta').select('value').where('key', '=', 'local_gateway').executeTakeFirst();
  const tenant = (await listTenants(store))[0]?.id;
  if (tenant === undefined) return null;
  if (known === undefined) return makeLocalGateway(deps, tenant);
  const row = await findGateway(scoped(store.db, tenant), known.value);
  return row === undefined ? null : readToken(box, row);
}

async function makeLocalGateway({ store, box, identity }: LocalGatewayDeps, tenant: string): Promise<string> {
  const context: WriteContext = {
    tenant,
    actor: { kind: 'system', id: null, name: 'local gateway' },
    action: 'make local gateway',
    sourceIp: null,
    requestId: null,
  };
  return store.write(context, async (tx) => {
    const body = { name: 'local', wireguardPort: '51820', description: 'Runs beside the controller' };
    const { row, token } = await createGateway(tx, { box, identity }, body);
    const meta = unscoped(tx.db, 'which gateway is the local one belongs to the controller');
    await meta.insertInto('meta').values({ key: 'local_gateway', value: row.id }).execute();
    return token;
  });
}
