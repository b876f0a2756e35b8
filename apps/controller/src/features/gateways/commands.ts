import { randomUUIDv7 } from 'node:crypto';
import type { DnsServer, GatewayIntent, GatewayStatus, Input } from '@sallyport/contract';
import { bit, decodeJson, labelsColumn } from '../../db/json.ts';
import type { Change, Tx } from '../../db/store.ts';
import { invalidField, notFound } from '../../errors.ts';
import { type RequestContext, requireVersion } from '../../http/handlers.ts';
import { leaveEntry } from '../../objects/devices/removal.ts';
import { dnsColumn } from '../../objects/gateways/dns-servers.ts';
import { endPairsOf, endPairsOutside } from '../../objects/gateways/relay-pairs.ts';
import { shownStatus } from '../../objects/gateways/status.ts';
import {
  attachedResources,
  deleteGateway,
  detachEverywhere,
  findGateway,
  type GatewayRow,
  insertGateway,
  updateGateway,
} from '../../objects/gateways/store.ts';
import { makeToken } from '../../objects/gateways/token.ts';
import type { PresenceSource } from '../../objects/gateways/views.ts';
import { cutFromPolicies } from '../../objects/policies/cut.ts';
import { trackResources } from '../../objects/resources/tracking.ts';
import { freeOverlay, takeOverlay } from '../../overlay/allocator.ts';
import { settleNamesOf } from '../../overlay/virtual.ts';
import { follow } from '../../overlay/wildcards.ts';
import type { SecretBox } from '../../secrets/box.ts';
import type { ControllerIdentity } from '../../secrets/identity.ts';

/** What the commands on gateways need. */
export interface GatewayCommandDeps {
  readonly box: SecretBox;
  readonly identity: Pick<ControllerIdentity, 'fingerprint'>;
  readonly presence: PresenceSource;
}

/** Creates a gateway. Returns its row and its enrolment token. */
export async function createGateway(
  tx: Tx,
  { box, identity }: Pick<GatewayCommandDeps, 'box' | 'identity'>,
  body: Input<'createGateway'>['body'],
): Promise<{ row: GatewayRow; token: string }> {
  const id = randomUUIDv7();
  const { token, kept } = makeToken(box, id, identity.fingerprint);
  const { relay_from, relay_to } = relayPorts(body.relayPorts, body.wireguardPort);
  const { overlay_v4, overlay_v6 } = await takeOverlay(tx, 'gateway', id);
  // Each column by its name: objects with spread ones among others take several times as long.
  const row = {
    id,
    created_at: tx.now,
    updated_at: tx.now,
    version: 1,
    name: body.name,
    description: body.description || null,
    wireguard_port: Number(body.wireguardPort),
    endpoint: body.endpoint ?? null,
    discovered_endpoint: null,
    intent: 'ACTIVE' as const,
    relay_enabled: 0,
    masquerade: bit(body.masquerade ?? true),
    mtu: body.mtu ?? null,
    dns_servers: dnsColumn(body.dnsServers),
    network: body.network ?? '',
    deployed_on: null,
    last_online: null,
    error: null,
    token_hash: kept.token_hash,
    token_ciphertext: kept.token_ciphertext,
    identity_key: null,
    wireguard_key: null,
    mapping_independent: null,
    channel_endpoint: null,
    relay_from,
    relay_to,
    drain_since: null,
    labels: labelsColumn(body.labels),
    upgrade: null,
    upgrade_open: 0 as const,
    overlay_v4,
    overlay_v6,
  };
  await insertGateway(tx, row);
  tx.changed({ kind: 'gateway', id, op: 'create', name: row.name, before: null, after: audited(row) });
  return { row: { ...row, tenant_id: tx.tenant }, token };
}

/** Applies a PATCH. A PATCH without a difference takes no version and no revision. */
export async function changeGateway(
  tx: Tx,
  context: RequestContext,
  presence: PresenceSource,
  id: string,
  body: Input<'updateGateway'>['body'],
): Promise<GatewayRow> {
  const row = await existing(tx, context, id);
  const wanted = {
    name: body.name,
    description: body.description === undefined ? row.description : body.description || null,
    wireguard_port: Number(body.wireguardPort),
    endpoint: body.endpoint === undefined ? row.endpoint : body.endpoint,
    masquerade: body.masquerade === undefined ? row.masquerade : bit(body.masquerade),
    mtu: body.mtu === undefined ? row.mtu : body.mtu,
    dns_servers: dnsColumn(body.dnsServers, row.dns_servers),
    network: body.network === undefined ? row.network : (body.network ?? ''),
    labels: labelsColumn(body.labels, row.labels),
    ...(body.relayPorts === undefined || body.relayPorts === relayRange(row)
      ? {}
      : relayPorts(body.relayPorts, body.wireguardPort)),
    ...drained(row, wantedIntent(row.intent, shownStatus(row, presence.presence(id)), body), tx.now),
  };
  const after = await save(tx, row, wanted);
  if (after.network !== row.network) await settleAttached(tx, id);
  await endPairsOutside(tx, id, after);
  return after;
}

/** Enables or disables the relay of a gateway. */
export async function setRelay(tx: Tx, context: RequestContext, id: string, enabled: boolean): Promise<GatewayRow> {
  return save(tx, await existing(tx, context, id), { relay_enabled: bit(enabled) });
}

const defaultRelayPorts = '52000-52999';

const relayRange = ({ relay_from, relay_to }: Pick<GatewayRow, 'relay_from' | 'relay_to'>): string =>
  `${relay_from}-${relay_to}`;

/**
 * Returns the range of relay ports. Pairs skip WireGuard's port, but the first port answers probes and must be another
 * one.
 */
function relayPorts(given: string | undefined, wireguardPort: string): { relay_from: number; relay_to: number } {
  const [relay_from = 0, relay_to = 0] = (given ?? defaultRelayPorts).split('-').map(Number);
  if (given !== undefined && relay_from === Number(wireguardPort))
    throw invalidField('/relayPorts', 'must not begin with the WireGuard port');
  return { relay_from, relay_to };
}

/** Returns the intent and when draining began, from which the deadline counts. */
function drained(row: GatewayRow, intent: GatewayIntent, now: number): Pick<GatewayRow, 'intent' | 'drain_since'> {
  return { intent, drain_since: intent === 'MAINTENANCE' ? (row.drain_since ?? now) : null };
}

/** Renews the token and ends the identity until an agent enrols. The WireGuard key stays: the host may be the same. */
export async function rekeyGateway(
  tx: Tx,
  context: RequestContext,
  deps: GatewayCommandDeps,
  id: string,
): Promise<GatewayRow> {
  return renewToken(tx, deps, await existing(tx, context, id));
}

/** Re-keys a gateway on behalf of the controller itself. */
export function renewToken(
  tx: Tx,
  deps: Pick<GatewayCommandDeps, 'box' | 'identity'>,
  row: GatewayRow,
): Promise<GatewayRow> {
  const { kept } = makeToken(deps.box, row.id, deps.identity.fingerprint);
  return save(tx, row, { ...kept, identity_key: null }, 'rekey');
}

/** Deletes a gateway. Resources and policies lose it; a list that becomes empty stays empty. */
export async function removeGateway(tx: Tx, context: RequestContext, id: string): Promise<void> {
  const row = await existing(tx, context, id);
  tx.changed({ kind: 'gateway', id, op: 'delete', name: row.name, before: audited(row), after: null });
  const resources = (await attachedResources(tx.scoped, [id])).get(id) ?? [];
  await trackResources(
    tx,
    resources.map((resource) => resource.id),
    async () => {
      await detachEverywhere(tx, id);
      await settleNamesOf(
        tx,
        resources.map((resource) => resource.id),
      );
    },
    'detach',
  );
  await cutFromPolicies(tx, 'gateway', id);
  await endPairsOf(tx, id);
  await leaveEntry(tx, id);
  await deleteGateway(tx, id);
  await freeOverlay(tx, row);
}

/** Moves the names of a gateway's resources to the addresses of its network. */
async function settleAttached(tx: Tx, gateway: string): Promise<void> {
  const resources = ((await attachedResources(tx.scoped, [gateway])).get(gateway) ?? []).map(({ id }) => id);
  await settleNamesOf(tx, resources);
  follow(tx, resources);
}

async function existing(tx: Tx, context: RequestContext, id: string): Promise<GatewayRow> {
  const row = await findGateway(tx.scoped, id);
  if (row === undefined) throw notFound();
  requireVersion(context, row.version);
  return row;
}

/** Returns the wanted intent. `intent` wins; the shown status, and statuses that only an agent sets, ask for nothing. */
function wantedIntent(
  present: GatewayIntent,
  shown: GatewayStatus,
  { intent, status }: { intent?: GatewayIntent | undefined; status?: GatewayStatus | undefined },
): GatewayIntent {
  if (intent !== undefined) return intent;
  if (status === undefined || status === shown || status === 'PENDING' || status === 'ERROR') return present;
  return status === 'ONLINE' ? 'ACTIVE' : status;
}

async function save(
  tx: Tx,
  row: GatewayRow,
  values: Partial<GatewayRow>,
  op: Change['op'] = 'update',
): Promise<GatewayRow> {
  const changed = Object.entries(values).some(([column, value]) => row[column as keyof GatewayRow] !== value);
  if (!changed) return row;
  const update = { ...values, version: row.version + 1, updated_at: tx.now };
  await updateGateway(tx, row.id, update);
  const after: GatewayRow = { ...row, ...update };
  tx.changed({ kind: 'gateway', id: row.id, op, name: after.name, before: audited(row), after: audited(after) });
  return after;
}

/** Returns a gateway in the form of the audit trail, without secrets. */
function audited({
  id,
  name,
  description,
  wireguard_port,
  endpoint,
  intent,
  relay_enabled,
  masquerade,
  mtu,
  dns_servers,
  network,
  relay_from,
  relay_to,
  labels: list,
}: Omit<GatewayRow, 'tenant_id'>) {
  const relay_ports = relayRange({ relay_from, relay_to });
  const labels = decodeJson<string[]>(list);
  return {
    id,
    name,
    description,
    wireguard_port,
    endpoint,
    intent,
    relay_enabled,
    masquerade,
    mtu,
    dns_servers: decodeJson<DnsServer[]>(dns_servers),
    network: network || null,
    relay_ports,
    labels,
  };
}
