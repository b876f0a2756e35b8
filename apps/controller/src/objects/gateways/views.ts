import { Gateway, type GatewayPresence, GatewaySummary } from '@sallyport/contract';
import { isOutdated } from '../../channel/outdated.ts';
import type { Channel, DesiredState, Presence } from '../../channel/types.ts';
import { labelsField } from '../../db/json.ts';
import { dnsField } from './dns-servers.ts';
import { lastOnline, shownError, shownStatus } from './status.ts';
import type { AttachedResource, GatewayRow } from './store.ts';
import { maskedToken } from './token.ts';
import { allowanceOf, upgradeOf, upgradeView } from './upgrade.ts';

/** Returns a gateway in the form of answers, from its row, its resources and the present state of its agent. */
export function gatewayView(
  row: GatewayRow,
  token: string,
  resources: readonly AttachedResource[],
  presence: Presence,
): Gateway {
  const createdAt = iso(row.created_at);
  return {
    id: row.id,
    createdAt,
    deployedOn: row.deployed_on === null ? null : iso(row.deployed_on),
    updatedAt: row.updated_at === row.created_at ? createdAt : iso(row.updated_at),
    name: row.name,
    wireguardPort: String(row.wireguard_port),
    status: shownStatus(row, presence),
    token,
    relayEnabled: row.relay_enabled === 1,
    autoDiscoverEndpoint: row.endpoint === null,
    resources: [...resources],
    intent: row.intent,
    masquerade: row.masquerade === 1,
    ...present('mtu', row.mtu),
    ...dnsField(row.dns_servers),
    ...(row.network === '' ? {} : { network: row.network }),
    ...present('description', row.description),
    ...present('error', shownError(row, presence)),
    ...present('lastOnline', isoOrNull(lastOnline(row, presence))),
    ...present('endpoint', row.endpoint),
    relayPorts: `${row.relay_from}-${row.relay_to}`,
    ...present('discoveredEndpoint', row.discovered_endpoint),
    ...present('natMapping', natMapping(row)),
    ...present('publicKey', row.wireguard_key),
    ...labelsField(row.labels),
    ...present('upgrades', allowanceOf(presence)),
    ...present('outdated', presence.agent === undefined ? null : isOutdated(presence.agent.version)),
    ...upgradeField(row),
  };
}

/** Returns what live streams show of a gateway. */
export const gatewayPresence = (row: GatewayRow, presence: Presence): GatewayPresence => ({
  id: row.id,
  status: shownStatus(row, presence),
  ...present('error', shownError(row, presence)),
  ...present('lastOnline', isoOrNull(lastOnline(row, presence))),
  ...upgradeField(row),
});

function upgradeField(row: GatewayRow): Pick<Gateway, 'upgrade'> {
  const record = upgradeOf(row);
  return record === null ? {} : { upgrade: upgradeView(record) };
}

const natMapping = ({ mapping_independent }: GatewayRow) => {
  if (mapping_independent === null) return null;
  return mapping_independent === 1 ? ('ENDPOINT_INDEPENDENT' as const) : ('ENDPOINT_DEPENDENT' as const);
};

/**
 * Returns the published `connection statistics` of one gateway. `desired` is the state that it should have by now.
 * `drainMs` is how long the tenant lets flows continue in MAINTENANCE.
 */
export function gatewayStatistics(
  { statistics, applied, safeToStop, clockSkewMs, agent }: Presence,
  row: GatewayRow,
  desired: DesiredState | null,
  drainMs: number,
) {
  const { connectedDevices, bytesIn, bytesOut, lastHandshake } = statistics;
  return {
    connectedDevices,
    bytesIn,
    bytesOut,
    ...present('lastHandshake', isoOrNull(lastHandshake)),
    ...present('appliedRevision', appliedRevision(applied, desired)),
    ...present('lag', applied === null || desired === null ? null : lag(applied, desired)),
    ...present('relayed', row.relay_enabled === 1 && desired !== null ? relayedBy(desired) : null),
    ...present('drainUntil', isoOrNull(row.drain_since === null ? null : row.drain_since + drainMs)),
    ...present('clockSkewSeconds', skewOf(clockSkewMs)),
    ...(agent === undefined ? {} : { agentVersion: agent.version, outdated: isOutdated(agent.version) }),
    ...present('safeToStop', row.intent === 'MAINTENANCE' ? safeToStop : null),
  };
}

/** Returns the clock skew in seconds. Differences below two seconds may be the delay of messages. */
const skewOf = (ms: number | null): number | null =>
  ms === null || Math.abs(ms) < 2_000 ? null : Math.round(ms / 1000);

const relayedBy = ({ items }: DesiredState): number => items().filter(({ kind }) => kind === 'relay').length;

/** Returns the last revision at which the applied state was desired. A gateway is not told of revisions without changes. */
function appliedRevision(applied: Presence['applied'], desired: DesiredState | null): number | null {
  if (applied === null) return null;
  return applied.hash === desired?.hash ? desired.revision.number : applied.revision.number;
}

/** Returns the number of revisions that the applied state is behind; 0 when both states are equal. */
function lag(
  applied: Pick<DesiredState, 'hash' | 'revision'>,
  desired: Pick<DesiredState, 'hash' | 'revision'>,
): number {
  if (applied.hash === desired.hash) return 0;
  return Math.max(1, desired.revision.number - applied.revision.number);
}

/**
 * JSON text of a gateway, made again only when its row, its resources or what is shown of its agent changes: opening a
 * token and checking an object costs far more than joining texts.
 */
export class GatewayText {
  readonly row: GatewayRow;
  resources: readonly AttachedResource[];
  readonly labels: readonly string[];
  readonly #openToken: (row: GatewayRow) => string;
  #presence: Presence | null = null;
  #clear: string | null = null;
  #masked: string | null = null;
  #summary: string | null = null;

  constructor(row: GatewayRow, resources: readonly AttachedResource[], openToken: (row: GatewayRow) => string) {
    this.row = row;
    this.resources = resources;
    this.labels = labelsField(row.labels).labels ?? [];
    this.#openToken = openToken;
  }

  /** Notes the agent's presence. Returns whether that changes the text. */
  observe(presence: Presence): boolean {
    const before = this.#presence;
    this.#presence = presence;
    if (before !== null && shownAlike(this.row, before, presence)) return false;
    this.#clear = null;
    this.#masked = null;
    this.#summary = null;
    return true;
  }

  /** Makes the text unless it exists. Returns whether there was work to do. */
  make(withToken: boolean): boolean {
    if ((withToken ? this.#clear : this.#masked) !== null) return false;
    this.text(withToken);
    return true;
  }

  /** Returns the text with the token readable or masked. Call `observe` first. */
  text(withToken: boolean): string {
    if (withToken) {
      this.#clear ??= this.#render(this.#openToken(this.row));
      return this.#clear;
    }
    this.#masked ??= this.#render(maskedToken(this.row.id));
    return this.#masked;
  }

  /** Returns the text as a table shows the gateway. Call `observe` first. */
  summary(): string {
    this.#summary ??= JSON.stringify(
      GatewaySummary.parse({ ...this.#view(maskedToken(this.row.id)), resourceCount: this.resources.length }),
    );
    return this.#summary;
  }

  /** What lists are filtered and sorted by. Call `observe` first. */
  get shown() {
    if (this.#presence === null) throw new Error('observe comes before shown');
    return { status: shownStatus(this.row, this.#presence), lastOnline: lastOnline(this.row, this.#presence) ?? 0 };
  }

  #view(token: string): Gateway {
    if (this.#presence === null) throw new Error('observe comes before the texts');
    return gatewayView(this.row, token, this.resources, this.#presence);
  }

  #render(token: string): string {
    return JSON.stringify(Gateway.parse(this.#view(token)));
  }
}

function shownAlike(row: GatewayRow, a: Presence, b: Presence): boolean {
  return (
    shownStatus(row, a) === shownStatus(row, b) &&
    shownError(row, a) === shownError(row, b) &&
    lastOnline(row, a) === lastOnline(row, b) &&
    a.agent?.upgrades === b.agent?.upgrades &&
    a.agent?.version === b.agent?.version
  );
}

/** Where the presence of agents is read. */
export type PresenceSource = Pick<Channel, 'presence' | 'gather'>;

const iso = (at: number): string => new Date(at).toISOString();
const isoOrNull = (at: number | null): string | null => (at === null ? null : iso(at));

/** Returns a field that answers leave out when it has no value. */
const present = <K extends string, V>(key: K, value: V | null): Partial<Record<K, V>> =>
  value === null ? {} : ({ [key]: value } as Record<K, V>);
