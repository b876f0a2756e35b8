import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { guarded } from '@sallyport/contract/guard';
import type { FastifyBaseLogger } from 'fastify';
import { openAnyDatabase } from './any-database.ts';
import { type App, createApp } from './app.ts';
import { beginAfterRestore } from './backup/restored.ts';
import { removePartial, Snapshots } from './backup/snapshot.ts';
import { loadBeaconKeys } from './beacon/keys.ts';
import { Quotas } from './budgets/quotas.ts';
import { connectionBacklog } from './channel/backlog.ts';
import { createChannel } from './channel/channel.ts';
import type { Config } from './config.ts';
import { openCountries } from './countries.ts';
import { checkpointWhenIdle } from './db/checkpoints.ts';
import { EmbeddedDatabase } from './db/open.ts';
import { createStore, type Store } from './db/store.ts';
import { OperatorError } from './errors.ts';
import { failedOverText, noteFailover } from './failed-over.ts';
import { createTenant } from './features/tenants/commands.ts';
import { hostAddress } from './host-address.ts';
import { createMetrics, type Metrics } from './http/metrics.ts';
import { listenMetrics } from './http/metrics-listener.ts';
import { sourceAddress } from './http/source-address.ts';
import { listenFailure } from './listen-failure.ts';
import type { MailSettings } from './mail/mail-config.ts';
import { smtpServer } from './mail/mail-server.ts';
import { linkUrl } from './objects/sign-in/links.ts';
import { signInPlace } from './objects/sign-in/place.ts';
import { type SetUpParts, setUpLink } from './objects/sign-in/set-up.ts';
import { listTenants } from './objects/tenants/queries.ts';
import { createOperatorServer, listenOperator } from './operator.ts';
import { settleOverlay } from './overlay/range.ts';
import { settleRangeOfNames } from './overlay/range-of-names.ts';
import { namesHaveAddresses } from './overlay/virtual.ts';
import { alone } from './replicas/alone.ts';
import { viewReplicas } from './replicas/overview.ts';
import type { Replicas } from './replicas/types.ts';
import { type MasterKeyDeps, MasterKeyRotation } from './rotation/master-key.ts';
import { SigningKeyRotation } from './rotation/signing-key.ts';
import { createSecretBox, type RotatingBox } from './secrets/box.ts';
import { settleHashKey } from './secrets/hash-key.ts';
import { beginEpoch, loadIdentity, type RotatingIdentity } from './secrets/identity.ts';

/** A controller that serves. */
export interface Started {
  /** Where it listens, as this machine reaches it. */
  readonly localUrl: string;
  /** What agents and people are told. */
  readonly publicUrl: string;
  /** Link that sets the first tenant up; null when it has an owner who can sign in, or people cannot sign in here. */
  readonly setUpUrl: string | null;
  /** The first tenant's key, when this start has made it; nobody can read it again. */
  readonly firstKey: { readonly key: string; readonly given: boolean } | null;
  readonly store: Store;
  readonly app: App;
  readonly secrets: { readonly box: RotatingBox; readonly identity: RotatingIdentity };
  stop(): Promise<void>;
}

/**
 * Opens the data directory and serves. Everything it began is undone when it fails. `ended`: called when the controller
 * has lost its database for good.
 */
export async function startController(
  config: Config,
  version: string,
  log: FastifyBaseLogger,
  ended: (error: unknown) => void,
): Promise<Started> {
  const undo: Undo = [];
  const stop = async () => {
    const failures: unknown[] = [];
    for (let step = undo.pop(); step !== undefined; step = undo.pop())
      await step().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  };
  try {
    const metrics = createMetrics();
    let localUrl = config.publicUrl ?? '';
    const opened = await openApp(config, version, log, metrics, () => localUrl, ended);
    const { database, store, shared, replicas, app, secrets, signingKey } = opened;
    undo.push(() => store.close());
    undo.push(async () => shared?.stop());
    const snapshots =
      database instanceof EmbeddedDatabase ? await careForFile(database, config, version, log, undo) : null;
    const firstKey = await firstTenant(store, config, log);
    const operator = createOperatorServer(
      {
        ...{ store, mail: app.mail, signingKey },
        replicas: () => viewReplicas(store, replicas, opened.own),
        masterKey: masterKeyRotation({ store, replicas, box: secrets.box }, config.masterKey.file, snapshots),
      },
      log,
      snapshots,
      () => config.publicUrl ?? localUrl,
    );
    undo.push(() => operator.close());
    await listenOperator(operator, config.dataDir);
    undo.push(() => signingKey.settled());
    undo.push(() => app.stop());
    // What agents are told depends on whether it could open its ports.
    await app.beacon.listen();
    await app.server.listen({ ...config.listen, backlog: connectionBacklog }).catch((error) => {
      throw listenFailure('SALLYPORT_LISTEN', config.listen, error);
    });
    app.channel.attach(app.server.server);
    const figures = await listenMetrics(config.metricsListen, metrics, log);
    undo.push(() => figures.close());
    if (figures.url !== null) log.info({ url: figures.url }, 'metrics are served');
    const upkeep = setInterval(
      guarded(
        (err) => log.error({ err }, 'upkeep failed'),
        async () => {
          await signingKey.take();
          await app.maintain();
        },
      ),
      upkeepMs,
    );
    undo.push(async () => clearInterval(upkeep));
    localUrl = localUrlOf(config, app.server.server.address() as AddressInfo);
    const publicUrl = config.publicUrl ?? localUrl;
    const setUp = { box: secrets.box, others: replicas.others().length > 0 };
    const setUpUrl = await firstSetUp(store, publicUrl, setUp);
    await opened.started();
    return { localUrl, publicUrl, setUpUrl, firstKey, store, app, secrets, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const upkeepMs = 30_000;

const masterKeyRotation = (
  parts: Pick<MasterKeyDeps, 'store' | 'box' | 'replicas'>,
  file: string,
  snapshots: Snapshots | null,
) => new MasterKeyRotation({ ...parts, file, whileNoBackup: (work) => snapshots?.whileNone(work) ?? work() });

type Undo = (() => Promise<unknown>)[];

/** Moves the log into the database file when it can, and makes backups of it. */
async function careForFile(
  database: EmbeddedDatabase,
  { dataDir, masterKey }: Config,
  version: string,
  log: FastifyBaseLogger,
  undo: Undo,
): Promise<Snapshots> {
  undo.push(
    checkpointWhenIdle(database, (error) => log.error({ err: error }, 'the log was not moved into the database')),
  );
  const snapshots = new Snapshots({ database, dataDir, masterKeyFile: masterKey.file, version, now: Date.now });
  await removePartial(dataDir);
  undo.push(() => snapshots.stop());
  return snapshots;
}

async function openApp(
  config: Config,
  version: string,
  log: FastifyBaseLogger,
  metrics: Metrics,
  localUrl: () => string,
  ended: (error: unknown) => void,
) {
  const countries = openCountries(config.countryDatabaseFile, (err, ip) =>
    log.warn({ err, ip }, 'the country database is malformed: countries of some addresses are unknown'),
  );
  const { database, masterKeys, settle, now, attach, started } = await openAnyDatabase(config, version, log, ended);
  const box = createSecretBox(...masterKeys);
  const quotas = new Quotas(config.quotas);
  const store = createStore(database, now, quotas, (err) =>
    log.error({ err }, 'a part of the controller could not follow a commit'),
  );
  const shared = await attach(store).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  try {
    // First, for this fails when the key is another one: then nothing is changed.
    await loadIdentity(store, box);
    settle();
    await settleHashKey(store, box);
    const range = await settleOverlay(store, config.overlay, () =>
      requireNoOthers(shared, ...otherRange('SALLYPORT_OVERLAY')),
    );
    log.info({ range }, 'addresses in the tunnel come from this overlay');
    const names = await settleRangeOfNames(store, config.virtualRange, range, () =>
      requireNoOthers(shared, ...otherRange('SALLYPORT_VIRTUAL_RANGE')),
    );
    if (!namesHaveAddresses({ v4: range, names })) log.warn({ range, names }, namesOffText);
    const madeAt = await beginAfterRestore(store);
    if (madeAt !== null) log.warn({ madeAt }, restoredText);
    else if (config.newEpoch) {
      requireNoOthers(shared, ...newEpoch);
      await beginEpoch(store);
    }
    const failover = await noteFailover(store);
    if (failover !== null) log.warn(failover, failedOverText);
    const identity = await loadIdentity(store, box);
    if (!(database instanceof EmbeddedDatabase)) database.worksIn(identity.epoch);
    const replicas = shared ?? alone(version, now);
    const signingKey = new SigningKeyRotation({
      ...{ store, box, identity, replicas },
      moveAgents: () => app.channel.moveToKey(),
      failed: (err) => log.warn({ err }, 'a rotation of the signing key is not known everywhere yet'),
    });
    let connected = () => 0;
    const app = createApp({
      ...config,
      log,
      store,
      replicas,
      box,
      identity,
      version,
      countries,
      mail: config.mail === null ? null : mailService(config.mail),
      beacon: { ...config.beacon, keys: await loadBeaconKeys(store, box) },
      metrics,
      localUrl,
      publicHost: () => publicHost(config),
      openChannel: (parts) => {
        const channel = createChannel({
          ...parts,
          identity,
          followed: ({ id }) => signingKey.followed(id),
          clock: now,
          randomBytes,
          log,
          peerAddress: sourceAddress(config.trustedProxies),
        });
        connected = () => channel.counters().connected;
        return channel;
      },
    });
    const skewMs = () => (database instanceof EmbeddedDatabase ? 0 : database.skewMs());
    const server = () => (database instanceof EmbeddedDatabase ? null : database.server());
    const own = { agents: () => connected(), skewMs, server };
    if (shared !== null) {
      shared.agents = own.agents;
      metrics.followReplicas(() => shared.figures());
    }
    return { database, store, shared, replicas, own, started, app, secrets: { box, identity }, signingKey };
  } catch (error) {
    shared?.abandon();
    await store.close();
    throw error;
  }
}

/** The others would go on with what they have read. `what`: what this one does. */
function requireNoOthers(shared: Pick<Replicas, 'others'> | null, what: string, remedy: string): void {
  const names = (shared?.others() ?? []).map(({ name, id }) => `${name} (${id})`);
  if (names.length > 0)
    throw new OperatorError(
      `${what}, and other controllers use the database: ${names.join(', ')}. Stop them, ${remedy}`,
    );
}

const newEpoch = [
  'SALLYPORT_NEW_EPOCH begins a new epoch',
  'start this one with it, then the others without it',
] as const;
const otherRange = (setting: string) =>
  [`${setting} names another range than the one in force`, 'then start all of them with the same range'] as const;

const namesOffText =
  'names of resources are not enforced, because the overlay contains the range for names: ' +
  'start with SALLYPORT_OVERLAY=100.64.0.0/11, which is taken while all members have addresses in it, ' +
  'or name a range beside the overlay in SALLYPORT_VIRTUAL_RANGE';

const restoredText =
  'this database comes from a backup: a new epoch begins, so that agents take it as the new truth; enrolment keys that were open have ended';

const mailService = ({ smtp, from }: MailSettings) => ({
  server: smtpServer(smtp, from),
  from: from.address,
});

/** On an empty database: the first tenant, with the key that was given or a new one. */
async function firstTenant(store: Store, config: Config, log: FastifyBaseLogger): Promise<Started['firstKey']> {
  if ((await listTenants(store)).length > 0) {
    if (config.bootstrapApiKey !== null) log.info('SALLYPORT_BOOTSTRAP_API_KEY is ignored: there is a tenant already');
    return null;
  }
  const actor = { kind: 'system', id: null, name: 'first start' } as const;
  const { apiKey } = await createTenant(store, actor, 'default', config.bootstrapApiKey ?? undefined);
  return { key: apiKey.key, given: config.bootstrapApiKey !== null };
}

/** The link by which the first person gets in. Until somebody has, each start makes a new one, unless others run. */
async function firstSetUp(store: Store, publicUrl: string, parts: SetUpParts): Promise<string | null> {
  const place = signInPlace(publicUrl);
  const [first, another] = await listTenants(store);
  if ('reason' in place || first === undefined || another !== undefined) return null;
  const secret = await setUpLink(store, first.id, parts);
  return secret === null ? null : linkUrl(place.url, secret);
}

function localUrlOf({ listen, tls }: Config, { port }: AddressInfo): string {
  const host = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }[listen.host] ?? listen.host;
  return `${tls === null ? 'http' : 'https'}://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
}

/** Host by which others reach this machine: the one of the public URL, else the address that it reaches others with. */
async function publicHost({ publicUrl }: Config): Promise<string | null> {
  return publicUrl === null ? hostAddress() : new URL(publicUrl).hostname.replace(/^\[|\]$/g, '');
}
