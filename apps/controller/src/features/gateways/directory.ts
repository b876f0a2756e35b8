import { timingSafeEqual } from 'node:crypto';
import { parseEndpoint } from '@sallyport/contract';
import type { AgentBook, AgentRecord, EnrolmentKeys, EnrolOutcome, GatewayFacts } from '../../channel/types.ts';
import { chunks } from '../../db/chunks.ts';
import { byAgent, bySystem } from '../../db/contexts.ts';
import { bit } from '../../db/json.ts';
import type { RowUpdate } from '../../db/schema.ts';
import { unscoped } from '../../db/scoped.ts';
import type { Store, Tx } from '../../db/store.ts';
import { RefusedEnrolments } from '../../objects/agents/refused-enrolments.ts';
import { isForeignKey } from '../../objects/agents/wireguard-keys.ts';
import { findGateway, type GatewayRow, updateGateway } from '../../objects/gateways/store.ts';
import type { SecretBox } from '../../secrets/box.ts';

/** What the directory of gateways needs. */
export interface DirectoryDeps {
  readonly store: Store;
  readonly box: SecretBox;
  /** WireGuard keys of the controller itself, base64. */
  readonly reservedKeys: ReadonlySet<string>;
  /** Called with times that are written outside of a commit: tenant, then epoch milliseconds by gateway id. */
  readonly onLastOnline: (tenant: string, moments: ReadonlyMap<string, number>) => void;
  /** Host by which others reach this machine, or null. */
  readonly publicHost: () => Promise<string | null>;
}

/** Answers the agent channel's questions about gateways. An agent names only its id; the tenant is found here. */
export function createGatewayDirectory(deps: DirectoryDeps) {
  const { store } = deps;
  const refused = new RefusedEnrolments(store);
  const book: AgentBook = {
    find: async (gateway) => {
      const row = await findAnywhere(store, gateway);
      if (row !== undefined) return record(row);
      return (await wasDeleted(store, gateway)) ? 'deleted' : null;
    },
    enrol: async (gateway, secret, keys) => {
      const row = await findAnywhere(store, gateway);
      if (row === undefined) return 'bad-token';
      const outcome = await store.write(byAgent(row, 'enrol'), (tx) => enrol(tx, deps, gateway, secret, keys));
      await refused.note('gateway', row, outcome, byAgent(row, 'enrolment refused'));
      return outcome;
    },
    wireguardKeyChanged: async (gateway, wireguardPublicKey) => {
      const found = await findAnywhere(store, gateway);
      if (found === undefined) return 'changed';
      return store.write(byAgent(found, 'new WireGuard key'), (tx) =>
        newKey(tx, gateway, wireguardPublicKey, deps.reservedKeys),
      );
    },
  };
  return {
    book,
    deployed: (gateway: string, at: number) =>
      observe(store, gateway, 'deployed', (row) => ({ deployed_on: row.deployed_on ?? at })),
    observed: async (gateway: string, facts: GatewayFacts) => {
      const { discoveredEndpoint: endpoint } = facts;
      const reachable = endpoint ? { discoveredEndpoint: await endpointForOthers(deps, endpoint) } : {};
      await observe(store, gateway, 'observed', (row) => observedFacts(row, { ...facts, ...reachable }));
    },
    lastOnline: (moments: ReadonlyMap<string, number>) => writeLastOnline(deps, moments),
  };
}

const agents = (store: Store) =>
  unscoped(store.db, 'an agent knows its gateway id only; the tenant comes from the row');

const findAnywhere = (store: Store, gateway: string): Promise<GatewayRow | undefined> =>
  agents(store).selectFrom('gateways').selectAll().where('id', '=', gateway).executeTakeFirst();

const wasDeleted = async (store: Store, gateway: string): Promise<boolean> =>
  (await agents(store).selectFrom('deleted_gateways').select('id').where('id', '=', gateway).executeTakeFirst()) !==
  undefined;

const record = (row: GatewayRow): AgentRecord => ({
  role: 'gateway',
  id: row.id,
  tenant: row.tenant_id,
  name: row.name,
  identityKey: row.identity_key,
  wireguardPublicKey: row.wireguard_key,
});

/** What the beacon sees counts more than where the channel comes from. Both may be known to different processes. */
function observedFacts(row: GatewayRow, facts: GatewayFacts): RowUpdate<'gateways'> {
  const { error } = facts;
  return { ...(error === undefined ? {} : { error }), ...endpointFacts(row, facts) };
}

function endpointFacts(
  row: GatewayRow,
  { discoveredEndpoint: endpoint, mappingIndependent: mapping }: GatewayFacts,
): RowUpdate<'gateways'> {
  const seen = endpoint === undefined ? {} : { discovered_endpoint: endpoint };
  if (mapping === null) return { discovered_endpoint: row.channel_endpoint, mapping_independent: null };
  if (mapping !== undefined) return { ...seen, mapping_independent: bit(mapping) };
  if (endpoint === undefined) return {};
  return { channel_endpoint: endpoint, ...(row.mapping_independent === null ? seen : {}) };
}

async function enrol(
  tx: Tx,
  { box, reservedKeys }: DirectoryDeps,
  gateway: string,
  secret: string,
  keys: EnrolmentKeys,
): Promise<EnrolOutcome> {
  const row = await findGateway(tx.scoped, gateway);
  if (row === undefined || !sameText(row.token_hash, box.keyedHash(secret))) return 'bad-token';
  // The same agent retries when its connection ended before it got the answer.
  if (row.identity_key !== null) return row.identity_key === keys.identityKey ? 'enrolled' : 'already-enrolled';
  if (await isForeignKey(tx, gateway, keys.wireguardPublicKey, reservedKeys)) return 'key-taken';
  await updateFacts(tx, row, { identity_key: keys.identityKey, wireguard_key: keys.wireguardPublicKey });
  return 'enrolled';
}

async function newKey(
  tx: Tx,
  gateway: string,
  wireguardPublicKey: string,
  reserved: ReadonlySet<string>,
): Promise<'changed' | 'key-taken'> {
  if (await isForeignKey(tx, gateway, wireguardPublicKey, reserved)) return 'key-taken';
  const row = await findGateway(tx.scoped, gateway);
  if (row !== undefined) await updateFacts(tx, row, { wireguard_key: wireguardPublicKey });
  return 'changed';
}

/** Returns the endpoint that other hosts use. An agent on loopback is reached at the address of this machine. */
async function endpointForOthers({ publicHost }: DirectoryDeps, endpoint: string): Promise<string | null> {
  const parsed = parseEndpoint(endpoint);
  if (parsed === null || !isLoopback(parsed.host)) return endpoint;
  const host = await publicHost();
  if (host === null || isLoopback(host)) return endpoint;
  return `${host.includes(':') ? `[${host}]` : host}:${parsed.port}`;
}

const isLoopback = (host: string): boolean => host === '::1' || host === 'localhost' || /^127\.[0-9.]+$/.test(host);

async function observe(
  store: Store,
  gateway: string,
  action: string,
  facts: (row: GatewayRow) => RowUpdate<'gateways'>,
) {
  const found = await findAnywhere(store, gateway);
  if (found === undefined || !areNews(found, facts(found))) return;
  await store.write(byAgent(found, action), async (tx) => {
    const row = await findGateway(tx.scoped, gateway);
    if (row !== undefined) await updateFacts(tx, row, facts(row));
  });
}

/** Facts are no administrator's change: version and `updatedAt` stay. */
async function updateFacts(tx: Tx, row: GatewayRow, facts: RowUpdate<'gateways'>): Promise<void> {
  if (!areNews(row, facts)) return;
  await updateGateway(tx, row.id, facts);
  // Agents are told of the endpoint that counts, and there is no commit for the other one.
  const { channel_endpoint: _, ...shown } = facts;
  const news = Object.entries(shown).filter(([column, value]) => row[column as keyof GatewayRow] !== value);
  if (news.length === 0) return;
  tx.changed({ kind: 'gateway', id: row.id, op: 'update', name: row.name, after: Object.fromEntries(news) });
}

const areNews = (row: GatewayRow, facts: RowUpdate<'gateways'>): boolean =>
  Object.entries(facts).some(([column, value]) => row[column as keyof GatewayRow] !== value);

/** Rows per delayed write, which takes a few milliseconds. */
const rowsPerWrite = 200;

async function writeLastOnline(
  { store, onLastOnline }: DirectoryDeps,
  moments: ReadonlyMap<string, number>,
): Promise<void> {
  // Small writes, one after the other, so that other writes do not wait.
  for (const part of chunks([...moments.keys()], rowsPerWrite)) {
    const rows = await agents(store)
      .selectFrom('gateways')
      .select(['id', 'tenant_id'])
      .where('id', 'in', part)
      .execute();
    for (const [tenant, gateways] of Map.groupBy(rows, (row) => row.tenant_id)) {
      const known = new Map(gateways.map(({ id }) => [id, moments.get(id) ?? 0]));
      await store.write(bySystem(tenant, 'write behind'), async (tx) => {
        for (const [id, at] of known) await updateGateway(tx, id, { last_online: at });
      });
      onLastOnline(tenant, known);
    }
  }
}

const sameText = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
