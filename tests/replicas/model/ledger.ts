import assert from 'node:assert/strict';
import { Administrator, type Ask } from '../../protocol/administrator.ts';
import type { TestController } from '../../protocol/controller.ts';
import { pick } from '../../protocol/dice.ts';
import type { Tenant, World } from '../../protocol/harness.ts';

/** How many revisions a request may have made, by what its sender was told. */
type Told = 'one' | 'some' | 'none';

/** One tenant, with what its administrator was told. */
export class Ledger {
  readonly tenant: Tenant;
  readonly admin: Administrator;
  /** Writes without an answer that says whether they happened. */
  unknown = 0;
  readonly #world: World;
  readonly #made = new Set<string>();
  readonly #deleted = new Set<string>();
  /** Writes since the last look at the audit trail, by the id of the request. */
  readonly #told = new Map<string, { readonly told: Told; readonly what: string }>();
  #revoked: string[] = [];
  #requests = 0;
  #audited = 0;

  constructor(world: World, tenant: Tenant) {
    this.#world = world;
    this.tenant = tenant;
    this.admin = new Administrator(world, tenant, this.#ask);
  }

  /**
   * Returns acknowledged objects that a controller does not have, and deleted ones that it has. It is asked for its lists,
   * and for some of the objects.
   */
  async wrong(controller: TestController): Promise<string[]> {
    const there = new Set<string>();
    for (const path of collections) for (const one of await this.#list(controller, path)) there.add(one);
    const lost = [...this.#made].filter((path) => !there.has(path)).map((path) => `${path} is not in its list`);
    const back = [...this.#deleted].filter((path) => there.has(path)).map((path) => `${path} is deleted, and listed`);
    const ones = [
      ...(await this.#unlike(controller, this.#some(this.#made), 200)),
      ...(await this.#unlike(controller, this.#some(this.#deleted), 404)),
    ];
    return [...lost, ...back, ...ones];
  }

  /** Takes the ids of the objects that were deleted since the last call. */
  takeRevoked(): string[] {
    const revoked = this.#revoked;
    this.#revoked = [];
    return revoked;
  }

  /**
   * Compares the audit trail since the last look with what the administrator was told: an acknowledged write made one
   * revision, a refused one none, one without an answer one at most, and none of them comes later.
   */
  async misjudged({ store }: TestController): Promise<string[]> {
    const events = await store.db
      .selectFrom('audit_events')
      .select(['request_id', 'revision'])
      .where('tenant_id', '=', this.tenant.id)
      .where('revision', '>', this.#audited)
      .where('request_id', 'is not', null)
      .orderBy('revision')
      .execute();
    this.#audited = Math.max(this.#audited, events.at(-1)?.revision ?? 0);
    const revisions = Map.groupBy(events, ({ request_id }) => request_id ?? '');
    const wrong = [...revisions.keys()]
      .filter((request) => !this.#told.has(request))
      .map((request) => `${request} was committed after its end`);
    for (const [request, { told, what }] of this.#told) {
      const made = new Set(revisions.get(request)?.map(({ revision }) => revision)).size;
      if (made > (told === 'none' ? 0 : 1) || (told === 'one' && made === 0))
        wrong.push(`${what} should have made ${told} revision, and made ${made} (${request})`);
    }
    this.#told.clear();
    return wrong;
  }

  async #list(controller: TestController, collection: string): Promise<string[]> {
    const paths: string[] = [];
    for (;;) {
      const page = `${collection}?limit=${perPage}&offset=${paths.length}`;
      const paged = collection.endsWith('devices') || collection.endsWith('resources');
      const { json } = await this.#get(controller, paged ? page : collection);
      const rows: { readonly id: string }[] = paged ? json.data : json;
      paths.push(...rows.map(({ id }) => `${collection}/${id}`));
      if (!paged || rows.length < perPage) return paths;
    }
  }

  async #unlike(controller: TestController, paths: readonly string[], status: number): Promise<string[]> {
    const wrong: string[] = [];
    for (const path of paths) {
      const answer = await this.#get(controller, path);
      if (answer.status !== status) wrong.push(`${path}: ${answer.status}`);
    }
    return wrong;
  }

  #get(controller: TestController, path: string) {
    return this.#world.request(this.tenant, 'GET', path, undefined, undefined, controller);
  }

  #some(paths: ReadonlySet<string>): string[] {
    const all = [...paths];
    return all.length === 0 ? [] : Array.from({ length: lookedAt }, () => pick(this.#world.dice, all));
  }

  #forget(path: string): void {
    this.#deleted.add(path);
    this.#revoked.push(path.slice(path.lastIndexOf('/') + 1));
    const [oldest] = this.#deleted;
    if (this.#deleted.size > mostDeleted && oldest !== undefined) this.#deleted.delete(oldest);
  }

  /** Sends a request through any controller that runs. Names are different at each request, so that each changes something. */
  readonly #ask: Ask = async (method, path, given) => {
    const nothing = { status: 0, text: '', json: undefined };
    const running = this.#world.controllers.filter(({ up }) => up);
    if (running.length === 0) return nothing;
    if (method === 'DELETE') this.#made.delete(path);
    const number = ++this.#requests;
    const headers = { 'x-request-id': `request-${number}` };
    const named = given !== undefined && 'name' in given;
    const body = named ? { ...given, name: `${given.name} ${number}` } : given;
    const through = pick(this.#world.dice, running);
    const answer = await this.#world
      .request(this.tenant, method, path, body, headers, through)
      .catch(() => ({ ...nothing, status: 503 }));
    const kind = answer.status >= 500 ? 'unknown' : answer.status >= 400 ? 'refused' : 'done';
    const isSure =
      kind === 'done' && (named || method === 'DELETE') && collections.includes(collectionOf(method, path));
    const told: Told = kind === 'refused' ? 'none' : isSure ? 'one' : 'some';
    if (method !== 'GET')
      this.#told.set(headers['x-request-id'], { told, what: `${method} ${path}: ${answer.status}` });
    if (kind === 'unknown') {
      // A controller that lives and reaches its database has no reason to fail.
      if (answer.status !== 503 && through.up) assert.fail(`${method} ${path}: ${answer.status} ${answer.text}`);
      if (method !== 'GET') this.unknown++;
      return nothing;
    }
    if (isSure && method === 'POST') this.#made.add(`${path}/${answer.json.id}`);
    if (isSure && method === 'DELETE') this.#forget(path);
    return answer;
  };
}

/** Deleted objects that are looked for: the last ones. */
const mostDeleted = 60;

/** Objects of each kind that are looked at one by one, and objects in a page of a list. */
const [lookedAt, perPage] = [5, 100];

/** Collections whose objects are looked for afterwards. */
const collections = ['gateways', 'resources', 'devices', 'policies'].map((name) => `/tenants/${name}`);

const collectionOf = (method: string, path: string): string =>
  method === 'POST' ? path : path.replace(/\/[^/]+$/, '');
