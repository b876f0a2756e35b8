import assert from 'node:assert/strict';
import type { Answer, Method } from './controller.ts';
import { pick } from './dice.ts';
import type { Tenant, World } from './harness.ts';
import { deviceKey } from './keys.ts';

/** Addresses that overlap, nest and repeat. */
const addresses = [
  '10.0.0.0/8',
  '10.1.0.0/16',
  '10.1.2.0/24',
  '10.1.2.3',
  '10.9.0.1',
  'fd12::/32',
  'fd12::1',
  '0.0.0.0/0',
];
const ports = ['22', '80', '80-90', '443', '1-65535'];

/** Sends a request of an administrator. A status of 0 says that there was no answer, or none that tells what happened. */
export type Ask = (method: Method, path: string, body?: object) => Promise<Pick<Answer, 'status' | 'text' | 'json'>>;

/** A random administrator: writes to everything that reaches gateways, several writes at once. */
export class Administrator {
  readonly tenant: Tenant;
  /** Existing gateways, with their tokens. */
  readonly gateways = new Map<string, string>();
  writes = 0;
  readonly #ask: Ask;
  readonly #dice: () => number;
  readonly #resources: string[] = [];
  readonly #devices: string[] = [];
  readonly #policies: string[] = [];
  readonly #protocols: string[] = [];

  /** `ask` sends the requests. Left out: to the first controller, which is there. */
  constructor(
    world: World,
    tenant: Tenant,
    ask: Ask = (method, path, body) => world.request(tenant, method, path, body),
  ) {
    this.#ask = ask;
    this.#dice = world.dice;
    this.tenant = tenant;
  }

  /** Creates a gateway; returns its token. */
  async gateway(): Promise<string> {
    const made = await this.#send('POST', '/gateways', {
      name: 'gateway',
      wireguardPort: String(this.#roll(1000) + 1),
    });
    this.gateways.set(made.id, made.token);
    return made.token;
  }

  /** Deletes a gateway; returns its id. */
  async deleteGateway(): Promise<string> {
    const id = pick(this.#dice, [...this.gateways.keys()]);
    this.gateways.delete(id);
    await this.#send('DELETE', `/gateways/${id}`);
    return id;
  }

  /** Creates enough objects for devices to reach something through every gateway. */
  async furnish(): Promise<void> {
    for (const { id } of await this.#send('GET', '/protocols')) this.#protocols.push(id);
    for (let n = 0; n < 4; n++) {
      await this.#newResource();
      await this.#attach();
      await this.#newDevice();
      await this.#newPolicy();
    }
  }

  /** Makes this many random writes in parallel. */
  async act(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => pick(this.#dice, this.#acts)()));
  }

  readonly #acts: readonly (() => Promise<unknown>)[] = [
    () => this.#newResource(),
    () => this.#newDevice(),
    () => this.#newPolicy(),
    () => this.#newPolicy(),
    () => this.#attach(),
    () => this.#attach(),
    () => this.#changeResource(),
    () => this.#changePolicy(),
    () => this.#changePolicy(),
    () => this.#reorder(),
    () => this.#reorder(),
    () => this.#changeGateway(),
    () => this.#on(this.#devices, 'PATCH', '/devices', '/deactivate'),
    () => this.#on(this.#devices, 'POST', '/devices', '/reactivate'),
    () => this.#on(this.#devices, 'DELETE', '/devices'),
    () => this.#on(this.#resources, 'DELETE', '/resources'),
    () => this.#on(this.#policies, 'DELETE', '/policies'),
    () => this.#detach(),
    () => this.#changeProtocols(),
  ];

  async #newResource(): Promise<void> {
    const body = { name: 'resource', type: 'PRIVATE', addresses: this.#addresses() };
    this.#keep(this.#resources, await this.#send('POST', '/resources', body));
  }

  #changeResource(): Promise<unknown> {
    return this.#on(this.#resources, 'PUT', '/resources', '', { name: 'changed', addresses: this.#addresses() });
  }

  #addresses() {
    const protocols = [pick(this.#dice, this.#protocols)];
    return this.#some(addresses, 3).map((address) => ({ address, protocols }));
  }

  async #newDevice(): Promise<void> {
    const publicKey = deviceKey(String(this.#dice()));
    this.#keep(this.#devices, await this.#send('POST', '/devices', { name: 'device', publicKey }));
  }

  async #newPolicy(): Promise<void> {
    this.#keep(this.#policies, await this.#send('POST', '/policies', { type: 'PRIVATE', ...this.#policy() }));
  }

  async #changePolicy(): Promise<void> {
    const [rule] = await this.#send('GET', '/admission-rules');
    if (rule === undefined) return;
    await this.#on(this.#policies, 'PATCH', '/policies', '', { rule: rule.id, ...this.#policy() });
  }

  #policy() {
    const all = { allDevices: this.#roll(3) === 0, allResources: this.#roll(4) === 0 };
    const devices = all.allDevices ? [] : this.#some(this.#devices, 3);
    const resources = all.allResources ? [] : this.#some(this.#resources, 3);
    return { name: 'policy', action: this.#roll(3) > 0, ...all, devices, resources };
  }

  async #reorder(): Promise<void> {
    const all: { id: string; isDefault: boolean; type: string }[] = await this.#send('GET', '/policies');
    const own = all.filter(({ isDefault, type }) => !isDefault && type === 'PRIVATE').map(({ id }) => id);
    const policies = own.map((id) => ({ id, at: this.#dice() })).sort((a, b) => a.at - b.at);
    await this.#send('PATCH', '/policies/reorder', { type: 'PRIVATE', policies: policies.map(({ id }) => id) });
  }

  async #attach(): Promise<void> {
    const gateways = this.#some([...this.gateways.keys()], 3);
    const body = { loadBalancingMode: pick(this.#dice, ['MANUAL', 'AUTOMATIC']), gateways };
    await this.#on(this.#resources, 'PUT', '/resources', '/load-balancing', body);
  }

  async #detach(): Promise<void> {
    const gateway = pick(this.#dice, [...this.gateways.keys()]);
    await this.#on(this.#resources, 'DELETE', '/resources', `/gateways/${gateway}`);
  }

  async #changeGateway(): Promise<void> {
    const intent = pick(this.#dice, ['ACTIVE', 'ACTIVE', 'MAINTENANCE', 'OFFLINE']);
    const body = {
      name: 'changed',
      wireguardPort: String(this.#roll(1000) + 1),
      masquerade: this.#roll(2) === 0,
      intent,
    };
    await this.#on([...this.gateways.keys()], 'PATCH', '/gateways', '', body);
  }

  async #changeProtocols(): Promise<void> {
    const port = pick(this.#dice, ports);
    if (this.#roll(2) === 0) await this.#on(this.#protocols.slice(3), 'DELETE', '/protocols');
    else
      this.#keep(
        this.#protocols,
        await this.#send('POST', '/protocols', { networkProtocols: [{ protocol: 'TCP', port }] }),
      );
  }

  #on(ids: readonly string[], method: 'PUT' | 'PATCH' | 'POST' | 'DELETE', path: string, rest = '', body?: object) {
    return ids.length === 0 ? Promise.resolve() : this.#send(method, `${path}/${pick(this.#dice, ids)}${rest}`, body);
  }

  /** Accepts that another write deleted the object of a request, and no other failure. */
  async #send(method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE', path: string, body?: object) {
    if (method !== 'GET') this.writes++;
    const { status, text, json } = await this.#ask(method, `/tenants${path}`, body);
    assert.ok(status < 300 || [0, 400, 404, 409, 422].includes(status), `${method} ${path}: ${status} ${text}`);
    return status > 0 && status < 300 ? json : method === 'GET' ? [] : {};
  }

  #keep(ids: string[], { id }: { id?: string }): void {
    if (id !== undefined) ids.push(id);
  }

  #some<T>(all: readonly T[], most: number): T[] {
    return [...new Set(Array.from({ length: this.#roll(most) + 1 }, () => pick(this.#dice, all)))].slice(0, all.length);
  }

  #roll(sides: number): number {
    return Math.floor(this.#dice() * sides);
  }
}
