import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ErrorCode, failuresOf, type Operation, operations } from '@sallyport/contract';
import type { InjectOptions } from 'fastify';
import pino from 'pino';
import type { ChannelParts } from '../agents.ts';
import { type App, type AppDeps, createApp } from '../app.ts';
import { loadBeaconKeys } from '../beacon/keys.ts';
import { noCountries } from '../countries.ts';
import { openDatabase } from '../db/open.ts';
import { createStore, type Store, type WriteCheck } from '../db/store.ts';
import { createTenant } from '../features/tenants/commands.ts';
import { createMetrics } from '../http/metrics.ts';
import { issueApiKey } from '../objects/api-keys/keys.ts';
import { createSecretBox } from '../secrets/box.ts';
import { loadIdentity } from '../secrets/identity.ts';
import { ScriptedChannel } from './channel.ts';
import { clonePostgres } from './postgres.ts';

/** A clock that stands until it is moved, so that tests say what time it is. */
export class TestClock {
  now = Date.UTC(2026, 0, 15, 12);
}

/**
 * A store on a database of its own, cloned from a migrated template, closed and removed after the test. With
 * TEST_POSTGRES_URL, the database is one of that server.
 */
export async function openTestStore(t: TestContext, clock = new TestClock(), check?: WriteCheck): Promise<Store> {
  const { db, remove } = testPostgres === undefined ? await embeddedClone() : await clonePostgres(testPostgres);
  const store = createStore(db, () => clock.now, check);
  cleanUp(t, async () => {
    await store.close();
    await remove();
  });
  return store;
}

/** URL of the PostgreSQL server that tests use in place of the embedded database. */
export const testPostgres = process.env.TEST_POSTGRES_URL;

async function embeddedClone() {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
  const file = join(folder, 'sallyport.db');
  copyFileSync(await template(), file);
  return { db: openDatabase(file), remove: async () => rmSync(folder, { recursive: true }) };
}

export interface TestTenant {
  readonly id: string;
  /** OWNER key. */
  readonly key: string;
}

export interface TestApp {
  readonly app: App;
  readonly store: Store;
  readonly clock: TestClock;
  readonly channel: ScriptedChannel;
  /** What the channel is given: the gateways' directory and their desired states. */
  readonly parts: ChannelParts;
  readonly tenant: TestTenant;
  readonly other: TestTenant;
  /** A request with the first tenant's OWNER key, unless another key is given. */
  request(method: Method, path: string, options?: RequestOptions): Promise<TestAnswer>;
  /** The metrics, as a scrape gets them. */
  metrics(): Promise<string>;
  /** GET without a key, of something that is not JSON. */
  text(path: string): Promise<TestAnswer>;
  /** A further key of the first tenant. */
  key(role: 'ADMIN' | 'AUDITOR' | 'SUPPORT'): Promise<string>;
}

export interface RequestOptions {
  readonly body?: unknown;
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TestAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** The parsed body; undefined when there is none. Tests look into it freely. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are checked by what the test asserts of them
  readonly json: any;
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** The whole app with two tenants, called without sockets. */
export async function openTestApp(t: TestContext, overrides: Partial<AppDeps> = {}): Promise<TestApp> {
  const clock = new TestClock();
  const store = overrides.store ?? (await openTestStore(t, clock));
  const box = createSecretBox(Buffer.alloc(32, 7));
  const channel = new ScriptedChannel();
  const identity = await loadIdentity(store, box);
  const opened: ChannelParts[] = [];
  const deps: AppDeps = {
    log: pino({ level: 'silent' }),
    store,
    box,
    identity,
    openChannel: (parts) => {
      opened.push(parts);
      return channel;
    },
    publicHost: async () => '192.0.2.10',
    beacon: { keys: await loadBeaconKeys(store, box), listen: null, endpoint: null },
    metrics: createMetrics(),
    egress: { allow: [], deny: [], details: false },
    version: '0.0.0',
    countries: noCountries,
    basePath: '',
    localUrl: () => 'http://localhost:8080',
    trustedProxies: [],
    tls: null,
    ...overrides,
  };
  const app = createApp(deps);
  cleanUp(t, () => app.stop());
  const [parts] = opened;
  assert.ok(parts !== undefined, 'the app opens its channel while it is made');
  const tenant = await newTenant(store, 'First');
  const other = await newTenant(store, 'Second');
  return {
    app,
    store,
    clock,
    channel,
    parts,
    tenant,
    other,
    request: async (method, path, { body, key = tenant.key, headers = {} } = {}) => {
      const options: InjectOptions = {
        method,
        url: path,
        headers: { ...(key === null ? {} : { apikey: key }), ...headers },
      };
      if (body !== undefined) options.payload = body as object;
      const { statusCode, headers: answered, payload } = await app.server.inject(options);
      assertDocumented(method, path.slice((overrides.basePath ?? '').length), payload);
      return {
        status: statusCode,
        headers: answered,
        text: payload,
        json: parsed(payload, String(answered['content-type'])),
      };
    },
    metrics: () => deps.metrics.text(),
    text: async (url) => {
      const { statusCode, headers, payload } = await app.server.inject({ method: 'GET', url });
      return { status: statusCode, headers, text: payload, json: undefined };
    },
    key: (role) =>
      store.write(
        { tenant: tenant.id, ...byTest },
        async (tx) => (await issueApiKey(tx, { name: role, role, expiresAt: null })).key,
      ),
  };
}

/** Asserts that a failure is one that the contract, and so the document, has for the operation. */
function assertDocumented(method: string, path: string, payload: string): void {
  const code = /"type":"urn:sallyport:error:(\w+)"/.exec(payload)?.[1] as ErrorCode | undefined;
  if (code === undefined || code === 'method_not_allowed' || code === 'route_not_found') return;
  const asked = path.split('?')[0] ?? '';
  const operation = Object.values<Operation>(operations)
    .filter((one) => one.method === method && new RegExp(`^${one.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(asked))
    .sort((a, b) => a.path.split('{').length - b.path.split('{').length)[0];
  if (operation === undefined) return;
  assert.ok(failuresOf(operation).includes(code), `${method} ${operation.path} does not have ${code} in its table`);
}

/** JSON as it is, JSON lines as a list of them; what is neither, not at all. */
function parsed(payload: string, type: string): unknown {
  if (type.startsWith('application/x-ndjson'))
    return payload
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  return payload === '' || !type.includes('json') ? undefined : JSON.parse(payload);
}

const byTest = {
  actor: { kind: 'system', id: null, name: 'test' },
  action: 'test',
  sourceIp: null,
  requestId: null,
} as const;

async function newTenant(store: Store, name: string): Promise<TestTenant> {
  const { tenant, apiKey } = await createTenant(store, byTest.actor, name);
  return { id: tenant.id, key: apiKey.key };
}

const cleanups = new WeakMap<TestContext, (() => Promise<void>)[]>();

/** Runs work after the test. Newest first, other than the runner's own hooks: what stands on a store ends before it. */
export function cleanUp(t: TestContext, work: () => Promise<void>): void {
  const known = cleanups.get(t) ?? [];
  known.push(work);
  if (cleanups.has(t)) return;
  cleanups.set(t, known);
  t.after(async () => {
    for (const next of known.reverse()) await next();
  });
}

let templateFile: Promise<string> | null = null;

/** Made once per test process. */
function template(): Promise<string> {
  templateFile ??= (async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-template-'));
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'template.db');
    const db = openDatabase(file);
    await db.destroy();
    return file;
  })();
  return templateFile;
}
