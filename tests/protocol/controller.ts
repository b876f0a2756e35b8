import { randomBytes } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { channelPath } from '@sallyport/contract/channel';
import { WebSocket } from 'ws';
import { type App, createApp } from '../../apps/controller/src/app.ts';
import { loadBeaconKeys } from '../../apps/controller/src/beacon/keys.ts';
import { type AgentChannel, createChannel } from '../../apps/controller/src/channel/channel.ts';
import { noCountries } from '../../apps/controller/src/countries.ts';
import { createStore, type Store } from '../../apps/controller/src/db/store.ts';
import { createTenant } from '../../apps/controller/src/features/tenants/commands.ts';
import { createMetrics } from '../../apps/controller/src/http/metrics.ts';
import { sourceAddress } from '../../apps/controller/src/http/source-address.ts';
import { alone } from '../../apps/controller/src/replicas/alone.ts';
import type { Replicas } from '../../apps/controller/src/replicas/types.ts';
import { SigningKeyRotation } from '../../apps/controller/src/rotation/signing-key.ts';
import { createSecretBox } from '../../apps/controller/src/secrets/box.ts';
import { loadIdentity } from '../../apps/controller/src/secrets/identity.ts';
import type { Clock } from './clock.ts';
import type { TestDatabase } from './database.ts';
import { collectLog, type LogLine } from './log.ts';
import type { Oracle } from './oracle.ts';
import { type ProcessWatch, watchedHolding, watchedIdentity } from './process-watch.ts';
import { Wire } from './wire.ts';

/** Answer to an API call. */
export interface Answer {
  readonly status: number;
  readonly etag: string | undefined;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers are checked by what the test asserts of them
  readonly json: any;
}

/** Options of a controller. */
export interface ControllerOptions {
  readonly clock: Clock;
  readonly oracle: Oracle;
  readonly database: TestDatabase;
  /** Milliseconds by which the controller is wrong about the time of the database. Left out: none. */
  readonly skewMs?: () => number;
  /** Joins the other replicas, at each start. Left out: there are none. */
  readonly join?: (store: Store) => Joined | Promise<Joined>;
  /** Hears what each process of the controller claims and signs. Left out: nothing does. */
  readonly watch?: () => ProcessWatch;
  readonly delayMs: () => number;
  /** Called whenever something happens. */
  readonly moved: () => void;
}

/** A place among the other replicas. */
export interface Joined {
  readonly replicas: Replicas;
  readonly leave: () => void | Promise<void>;
}

interface Running {
  readonly app: App<AgentChannel>;
  readonly store: Store;
  readonly rotation: SigningKeyRotation;
  readonly wires: Set<Wire>;
  readonly leave: Joined['leave'];
  readonly requests: Set<Promise<unknown>>;
  readonly life: { killed: boolean };
}

/** The whole controller without sockets. It can die and restart. */
export class TestController {
  readonly log: LogLine[] = [];
  readonly #options: ControllerOptions;
  #running: Running | null = null;

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { clock, oracle, database, join, skewMs = () => 0 } = this.#options;
    const now = () => clock.now() + skewMs();
    // Simulated time stands still while a commit is under way.
    const patienceMs = clock.isReal ? undefined : 250;
    const store = oracle.watch(createStore(await database.open(), now, undefined, undefined, patienceMs));
    const joined = await join?.(store);
    const box = createSecretBox(Buffer.alloc(32, 7));
    const identity = await loadIdentity(store, box);
    const life = { killed: false };
    const watch = this.#options.watch?.() ?? null;
    const log = collectLog(this.log, () => !life.killed);
    const replicas = joined?.replicas ?? alone('0.0.0', now);
    const rotation = new SigningKeyRotation({
      ...{ store, box, identity, replicas },
      moveAgents: () => app.channel.moveToKey(),
      failed: (error) => log.warn({ err: error }, 'not noted'),
    });
    const app: App<AgentChannel> = createApp({
      log,
      store,
      box,
      identity,
      replicas,
      openChannel: (parts) =>
        createChannel({
          ...parts,
          ...(parts.holding && watch && { holding: watchedHolding(parts.holding, watch, life) }),
          identity: watch === null ? identity : watchedIdentity(identity, watch, life),
          followed: ({ id }) => rotation.followed(id),
          clock: now,
          timers: clock,
          randomBytes,
          log,
          peerAddress: sourceAddress([]),
        }),
      publicHost: async () => null,
      beacon: { keys: await loadBeaconKeys(store, box), listen: null, endpoint: null },
      countries: noCountries,
      timers: clock,
      metrics: createMetrics(),
      egress: { allow: [], deny: [], details: false },
      version: '0.0.0',
      basePath: '',
      localUrl: () => 'http://localhost:8080',
      trustedProxies: [],
      tls: null,
    });
    oracle.beacons = () => app.beacon.peers();
    app.channel.attach(app.server.server);
    await app.server.ready();
    this.#running = {
      app,
      store,
      rotation,
      wires: new Set(),
      leave: joined?.leave ?? (() => undefined),
      requests: new Set(),
      life,
    };
  }

  get store(): Store {
    return this.#up.store;
  }

  get app(): App<AgentChannel> {
    return this.#up.app;
  }

  get rotation(): SigningKeyRotation {
    return this.#up.rotation;
  }

  /** Stops as on `SIGTERM`. */
  async stop(): Promise<void> {
    const { app, store, leave, requests } = this.#up;
    this.#running = null;
    await Promise.all([app.stop(), ...requests]);
    await leave();
    await store.close();
  }

  /** Stops as on `kill -9`: committed data stays, every connection is reset, and nothing else happens. */
  async kill(): Promise<void> {
    const { app, store, wires, leave, life } = this.#up;
    life.killed = true;
    this.#options.database.die();
    this.#running = null;
    await leave();
    for (const wire of wires) wire.cut();
    await app.stop();
    await store.close();
  }

  /** Opens a WebSocket to the channel. Throws while the controller is down. */
  dial(source: string): { readonly socket: WebSocket; readonly wire: Wire } {
    const { app, wires } = this.#up;
    const wire = new Wire({ ...this.#options, source });
    wires.add(wire);
    wire.controllerEnd.once('close', () => wires.delete(wire));
    app.server.server.emit('connection', wire.controllerEnd);
    const createConnection = () => wire.agentEnd as never;
    const socket = new WebSocket(`ws://controller${channelPath}`, { createConnection, perMessageDeflate: false });
    return { socket, wire };
  }

  /** Asks for a stream of events over a connection of its own. Throws while the controller is down. */
  stream(url: string, key: string): Promise<IncomingMessage> {
    const { app, wires } = this.#up;
    const wire = new Wire({ ...this.#options, source: '198.51.100.250' });
    wires.add(wire);
    wire.controllerEnd.once('close', () => wires.delete(wire));
    app.server.server.emit('connection', wire.controllerEnd);
    wire.agentEnd.on('error', () => undefined);
    return new Promise((resolve, reject) => {
      const createConnection = () => wire.agentEnd as never;
      const asked = request({
        host: 'controller',
        path: url,
        headers: { apikey: key },
        createConnection,
      });
      asked.once('response', resolve).once('error', reject).end();
    });
  }

  get up(): boolean {
    return this.#running !== null;
  }

  async request(method: Method, url: string, key: string | null, body?: object, headers: object = {}): Promise<Answer> {
    const { app, requests } = this.#up;
    const answering = app.server.inject({
      method,
      url,
      headers: { ...(key === null ? {} : { apikey: key }), ...headers },
      ...(body === undefined ? {} : { payload: body }),
    });
    requests.add(answering);
    const { statusCode, headers: answered, payload } = await answering.finally(() => requests.delete(answering));
    this.#options.moved();
    const etag = answered.etag;
    return { status: statusCode, etag, text: payload, json: payload === '' ? undefined : JSON.parse(payload) };
  }

  /** Creates a tenant; returns its id and an OWNER key. */
  async tenant(name: string): Promise<{ id: string; key: string }> {
    const { tenant, apiKey } = await createTenant(this.store, { kind: 'system', id: null, name: 'test' }, name);
    return { id: tenant.id, key: apiKey.key };
  }

  async close(): Promise<void> {
    if (this.#running !== null) await this.stop();
    this.#options.database.remove();
  }

  get #up(): Running {
    if (this.#running === null) throw new Error('the controller is away');
    return this.#running;
  }
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
