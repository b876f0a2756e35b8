import type { TestContext } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import pino from 'pino';
import type { Mapping } from '../../beacon/mappings.ts';
import type { AgentRef, DesiredState } from '../../channel/types.ts';
import { bySystem } from '../../db/contexts.ts';
import { present } from '../../testing/channel.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { Paths } from '../paths.ts';

const publicKey = (n: number) => Buffer.alloc(32, n).toString('base64');
let keys = 1;

/** Paths of a test, and what they look at. */
export interface Tested {
  readonly app: TestApp;
  readonly paths: Paths;
  readonly mappings: Map<string, Mapping>;
  gateway(name: string, facts?: object): Promise<string>;
  device(native?: boolean): Promise<string>;
  /** Lets an agent's state have this peer. */
  connect(agent: string, peer: string): void;
  find(agent: string, peer: string, relay?: boolean): Promise<void>;
  pairs(): Promise<{ a: string; b: string; relay_id: string; port: number; needed_at: number }[]>;
}

/** Opens a controller whose agents and mappings are what the test says. `others`: other replicas are alive. */
export async function openPaths(t: TestContext, others = false): Promise<Tested> {
  const app = await openTestApp(t);
  const mappings = new Map<string, Mapping>();
  const peers = new Map<string, StateItem[]>();
  const states = {
    // Policies are compiled elsewhere; here a state is who is a peer of whom.
    current: async (agent: string): Promise<DesiredState> => {
      const items = peers.get(agent) ?? [];
      return { revision: { epoch: 'e', number: items.length }, hash: String(items.length), items: () => items };
    },
  };
  const paths = new Paths({
    store: app.store,
    channel: app.channel,
    states,
    worlds: app.app.runtimes,
    mapping: (agent) => mappings.get(agent) ?? { kind: 'undecided' },
    shared: () => others,
    log: pino({ level: 'silent' }),
  });
  t.after(() => paths.stop());
  const gateway = async (name: string, facts: object = {}) => {
    const { json } = await app.request('POST', '/tenants/gateways', { body: { name, wireguardPort: '51820' } });
    const row = { wireguard_key: publicKey(keys++), ...facts };
    await put(app, 'gateway', json.id, row);
    app.channel.presences.set(json.id, present);
    return json.id as string;
  };
  const device = async (native = true) => {
    const { json } = await app.request('POST', '/tenants/devices', {
      body: { name: 'd', publicKey: publicKey(keys++) },
    });
    if (native) await put(app, 'device', json.id, { identity_key: 'x' });
    app.channel.presences.set(json.id, present);
    return json.id as string;
  };
  return {
    app,
    paths,
    mappings,
    gateway,
    device,
    connect: (agent, peer) => {
      const item = { kind: 'peer', key: `peer/${peer}`, id: peer } as StateItem;
      peers.set(agent, [...(peers.get(agent) ?? []), item]);
    },
    find: async (agent, peer, relay = false) => {
      app.clock.now += 1000;
      await paths.find(agentOf(app, agent), { peer, relay });
    },
    pairs: () =>
      app.store.db
        .selectFrom('relay_pairs')
        .select(['a', 'b', 'relay_id', 'port', 'needed_at'])
        .orderBy('id')
        .execute(),
  };
}

/** What no request does: facts in a row, and the commit that tells of them. */
export async function put(app: TestApp, kind: 'gateway' | 'device', id: string, facts: object): Promise<void> {
  await app.store.write(bySystem(app.tenant.id, 'test'), async (tx) => {
    await tx.scoped.updateTable(`${kind}s`).set(facts).where('id', '=', id).execute();
    tx.changed({ kind, id, op: 'update' });
  });
}

/** Names a native device. */
export const agentOf = (app: TestApp, id: string): AgentRef => ({ role: 'device', id, tenant: app.tenant.id });

/** Columns of a gateway that relays. */
export const relaying = { relay_enabled: 1, endpoint: '192.0.2.1:51820', relay_from: 52000, relay_to: 52002 };
/** A mapping that is the same for all destinations. */
export const seen = (endpoint: string): Mapping => ({ kind: 'independent', endpoint });
