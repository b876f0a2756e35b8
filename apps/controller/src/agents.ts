import type { FastifyBaseLogger } from 'fastify';
import { Beacon, type BeaconSettings } from './beacon/beacon.ts';
import type { Mapping } from './beacon/mappings.ts';
import { BeaconPlaces } from './beacon/places.ts';
import type { QuotaLimits } from './budgets/quotas.ts';
import type { SharedSpending } from './budgets/shared-spending.ts';
import { AgentsOfAll } from './channel/across/agents-of-all.ts';
import type { ChannelDeps } from './channel/deps.ts';
import type { Timers } from './channel/timers.ts';
import type { AgentDirectory, Channel, ConnectionGuard, DesiredStates, LocalAgents } from './channel/types.ts';
import type { Countries } from './countries.ts';
import { claimAgents, claimsSince } from './db/agent-holders.ts';
import { scoped } from './db/scoped.ts';
import type { Store } from './db/store.ts';
import { createDeviceDirectory } from './features/devices/directory.ts';
import { createGatewayDirectory, type DirectoryDeps } from './features/gateways/directory.ts';
import type { Metrics } from './http/metrics.ts';
import { NameGiver } from './overlay/name-requests.ts';
import { Paths } from './paths/paths.ts';
import type { Replicas } from './replicas/types.ts';
import { TenantRuntimes } from './runtime/runtimes.ts';
import { Whereabouts } from './runtime/whereabouts.ts';
import type { SecretBox } from './secrets/box.ts';
import type { ControllerIdentity } from './secrets/identity.ts';
import { SharedWorld } from './shared-world.ts';

/** What the agent channel is built on. */
export interface ChannelParts {
  readonly replicas: Replicas;
  readonly directory: AgentDirectory;
  readonly states: DesiredStates;
  readonly leaseMs: (tenant: string) => number;
  readonly deviceMoved: (tenant: string, device: string, source: string) => void;
  readonly unreachable: (tenant: string, gateway: string, resources: readonly string[]) => void;
  readonly knownUnreachable: (gateway: string) => readonly string[];
  readonly connections: ConnectionGuard;
  readonly mapping: (agent: string) => Mapping;
  readonly names: NameGiver;
  readonly enrolled: () => number;
  readonly holding?: NonNullable<ChannelDeps['holding']>;
  readonly sourceElsewhere: NonNullable<ChannelDeps['sourceElsewhere']>;
  readonly catchUp: (tenant: string) => Promise<void>;
}

/** What the side of the controller that faces agents needs. */
export interface AgentDeps<C extends Channel & LocalAgents = Channel & LocalAgents> {
  readonly log: FastifyBaseLogger;
  readonly store: Store;
  readonly box: SecretBox;
  readonly identity: ControllerIdentity;
  readonly openChannel: (parts: ChannelParts) => C;
  /** Host by which others reach this machine, or null. */
  readonly publicHost: () => Promise<string | null>;
  readonly beacon: BeaconSettings;
  readonly metrics: Pick<Metrics, 'compiled'>;
  readonly countries: Countries;
  readonly timers: Timers;
  readonly replicas: Replicas;
  readonly spending: SharedSpending;
  readonly connections: ConnectionGuard;
  readonly quotas: Pick<QuotaLimits, 'wildcard-names'>;
  readonly onLastOnline: DirectoryDeps['onLastOnline'];
}

/** Builds the side of the controller that faces agents: desired states, channel, beacon and paths. */
export function createAgents<C extends Channel & LocalAgents>(deps: AgentDeps<C>) {
  const { log, store, timers, replicas } = deps;
  const whereabouts = new Whereabouts(deps.countries);
  const runtimes = new TenantRuntimes({
    ...deps,
    whereabouts,
    epoch: deps.identity.epoch,
    took: deps.metrics.compiled,
    beacons: () => places.peers(),
  });
  const reservedKeys = keysOf(deps.beacon);
  const directory = createDirectory({ ...deps, reservedKeys });
  const mapping = (agent: string) => shared.mappingElsewhere(agent) ?? beacon.mapping(agent);
  const names = new NameGiver({
    store,
    log,
    spending: deps.spending,
    publicHost: deps.publicHost,
    mostNames: deps.quotas['wildcard-names'],
  });
  const all = agentsOfAll(deps, (device) => shared.sourceDecider(device));
  const local = deps.openChannel({
    replicas: deps.replicas,
    directory,
    states: runtimes,
    leaseMs: (tenant) => runtimes.leaseMs(tenant),
    deviceMoved: (tenant, device, source) => shared.deviceMoved(tenant, device, source),
    unreachable: (tenant, gateway, resources) => shared.unreachable(tenant, gateway, resources),
    knownUnreachable: (gateway) => runtimes.knownUnreachable(gateway),
    connections: deps.connections,
    mapping,
    names,
    enrolled: () => runtimes.agentCount() / (1 + deps.replicas.others().length),
    catchUp: (tenant) => catchUp(store, tenant),
    ...(all === null ? {} : { holding: all.holding }),
    sourceElsewhere: (tenant, report) => all?.passSourceOn(tenant, report) ?? false,
  });
  const channel = all?.join(local) ?? local;
  const paths = new Paths({
    store,
    channel,
    states: runtimes,
    worlds: runtimes,
    mapping,
    shared: () => replicas.others().length > 0,
    log,
  });
  const mapped = (agent: string) => {
    paths.mapped(agent).catch((err) => log.warn({ err, agent }, 'could not tell where an agent is seen'));
  };
  const beacon = new Beacon({
    ...deps.beacon,
    store,
    directory,
    judged: (tenant, agent, seen) => shared.mapped(tenant, agent, seen),
    mapped,
    connected: (agent) => channel.presence(agent).connected,
    placed: () => {
      places.announce();
      runtimes.beaconsChanged();
    },
    others: {
      alone: () => replicas.others().length === 0,
      any: () => places.elsewhere(),
      see: (agent) => shared.isSeenElsewhere(agent),
    },
    log,
    timers,
  });
  const places = new BeaconPlaces(beacon, deps.beacon.keys, replicas);
  const shared = new SharedWorld({
    ...{ replicas, runtimes, now: store.now, log },
    seenElsewhere: mapped,
    endedElsewhere: (agent) => beacon.contradicted(agent),
  });
  replicas.onChange(() => {
    runtimes.beaconsChanged();
    beacon.othersChanged();
  });
  return { whereabouts, runtimes, reservedKeys, channel, local, beacon, paths, names };
}

/** The agents of all processes that share the database; null: there can be no others. */
function agentsOfAll(
  { replicas, store, timers, log }: Pick<AgentDeps, 'replicas' | 'store' | 'timers' | 'log'>,
  sourceDecider: (device: string) => string | null,
) {
  if (replicas.alone) return null;
  return new AgentsOfAll({
    ...{ replicas, timers, log, sourceDecider, clock: store.now },
    holders: {
      claim: (wanted) => claimAgents(store, replicas.self.id, wanted),
      since: (moment) => claimsSince(store, moment),
    },
  });
}

/** Hears of what the database holds of a tenant. Another process may have committed it just now. */
async function catchUp(store: Store, tenant: string): Promise<void> {
  const row = await store.read((db) => scoped(db, tenant).selectTenant().select('revision').executeTakeFirst());
  if (row !== undefined) store.noticed({ tenant, revision: row.revision });
}

/** WireGuard keys of the controller's own, base64. */
const keysOf = ({ keys: { ports, probe } }: BeaconSettings): ReadonlySet<string> =>
  new Set([...ports, probe].map(({ publicKey }) => publicKey));

function createDirectory(deps: DirectoryDeps): AgentDirectory {
  const { book: gateway, ...ofGateways } = createGatewayDirectory(deps);
  const { book: device, ...ofDevices } = createDeviceDirectory(deps);
  return { agents: { gateway, device }, ...ofGateways, ...ofDevices };
}
