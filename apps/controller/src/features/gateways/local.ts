import { createHash } from 'node:crypto';
import { sameKey } from '../../channel/keys.ts';
import { bySystem } from '../../db/contexts.ts';
import { LogFollower } from '../../db/log-follower.ts';
import { scoped, unscoped } from '../../db/scoped.ts';
import type { Store, WriteContext } from '../../db/store.ts';
import { findGateway, type GatewayRow } from '../../objects/gateways/store.ts';
import { readToken } from '../../objects/gateways/token.ts';
import { listTenants } from '../../objects/tenants/queries.ts';
import type { SecretBox } from '../../secrets/box.ts';
import type { ControllerIdentity } from '../../secrets/identity.ts';
import { createGateway, renewToken } from './commands.ts';

/** What the gateway beside the controller is set up with. */
export interface LocalGatewayDeps {
  readonly store: Store;
  readonly box: SecretBox;
  readonly identity: ControllerIdentity;
  /** Returns the identity of the agent on this machine, from its state directory; null without an identity. */
  readonly agent: () => LocalAgent | null;
}

/** The identity of the agent on this machine. */
export interface LocalAgent {
  readonly gateway: string;
  /** Raw Ed25519 public key, base64. */
  readonly identityKey: string;
  /** SHA-256 of the token that enrolled it, hexadecimal; null: it is not enrolled. */
  readonly enrolledWith: string | null;
}

/**
 * Returns the token of the gateway beside the controller, which is created once, in the first tenant; null after an
 * administrator deleted it. When the database and the agent's directory differ in age, as after a restore of one of
 * them, the agent gets a new token, because both belong to this controller.
 */
export async function localGatewayToken(deps: LocalGatewayDeps): Promise<string | null> {
  const { store, box } = deps;
  const known = await localGatewayId(store);
  const tenant = (await listTenants(store))[0]?.id;
  if (tenant === undefined) return null;
  if (known === null) return makeLocalGateway(deps, tenant);
  const row = await findGateway(scoped(store.db, tenant), known);
  if (row === undefined) return null;
  if (fits(deps, row)) return readToken(box, row);
  const renewed = await store.write(bySystem(tenant, 'enrol local gateway again'), async (tx) => {
    const now = await findGateway(tx.scoped, known);
    return now === undefined ? null : renewToken(tx, deps, now);
  });
  return renewed === null ? null : readToken(box, renewed);
}

/** Returns the id of the local gateway; null when there was never one. */
export async function localGatewayId({ db }: Pick<Store, 'db'>): Promise<string | null> {
  const meta = unscoped(db, 'which gateway is the local one belongs to the controller');
  const row = await meta.selectFrom('meta').select('value').where('key', '=', 'local_gateway').executeTakeFirst();
  return row?.value ?? null;
}

/** Calls `rekeyed` when the local gateway may have got another token. */
export async function onLocalRekey(
  store: Store,
  events: { readonly rekeyed: () => void; readonly failed: (error: unknown) => void },
): Promise<void> {
  const own = await localGatewayId(store);
  const [tenant] = await listTenants(store);
  if (own === null || tenant === undefined) return;
  const follower = new LogFollower(store, {
    changed: (changed, changes) => {
      if (changed !== tenant.id) return;
      if (changes?.some(({ kind, id, op }) => kind === 'gateway' && id === own && op === 'rekey') ?? true)
        events.rekeyed();
    },
    failed: events.failed,
  });
  follower.startAt(tenant.id, tenant.revision);
}

/** Returns whether the agent can connect with the present token or with its identity. */
function fits({ box, agent }: LocalGatewayDeps, row: GatewayRow): boolean {
  const local = agent();
  if (local?.gateway !== row.id) return row.identity_key === null;
  if (row.identity_key !== null) return sameKey(local.identityKey, row.identity_key);
  // An agent that was enrolled with this token keeps it to itself.
  return local.enrolledWith !== createHash('sha256').update(readToken(box, row)).digest('hex');
}

async function makeLocalGateway({ store, box, identity }: LocalGatewayDeps, tenant: string): Promise<string> {
  const context: WriteContext = { ...bySystem(tenant, 'make local gateway'), actor: localGateway };
  return store.write(context, async (tx) => {
    const body = { name: 'local', wireguardPort: '51820', description: 'Runs beside the controller' };
    const { row, token } = await createGateway(tx, { box, identity }, body);
    const meta = unscoped(tx.db, 'which gateway is the local one belongs to the controller');
    await meta.insertInto('meta').values({ key: 'local_gateway', value: row.id }).execute();
    return token;
  });
}

const localGateway = { kind: 'system', id: null, name: 'local gateway' } as const;
