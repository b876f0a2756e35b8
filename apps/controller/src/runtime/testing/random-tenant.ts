import assert from 'node:assert/strict';
import { NameGiver } from '../../overlay/name-requests.ts';
import { makers, publicKeyOf } from '../../testing/api.ts';
import { nativeDevice } from '../../testing/enrol.ts';
import type { TestApp } from '../../testing/harness.ts';
import type { ClockTimers } from './clock-timers.ts';

const rules = [
  'true',
  "time.between('08:00', '18:00')",
  "time.between('22:00', '06:00')",
  "user.department == 'Engineering'",
  "'group 1' in groups",
  'posture.diskEncrypted == true',
  "source.inCidr('198.51.100.0/24') || time.weekday == 'SA'",
];
const sources = ['198.51.100.7', '203.0.113.7', '2001:db8::7'];
const zones = ['UTC', 'Europe/Zurich', 'America/New_York', 'Asia/Kathmandu'];

/**
 * A small tenant for random writes. It holds the ids of its objects by kind. Another object takes the place of a
 * deleted one.
 */
export class RandomTenant {
  readonly app: TestApp;
  readonly timers: ClockTimers;
  readonly ids: Record<'groups' | 'users' | 'devices' | 'rules' | 'resources' | 'policies', string[]> = {
    groups: [],
    users: [],
    devices: [],
    rules: [],
    resources: [],
    policies: [],
  };
  gateways: string[] = [];
  /** Devices that run the client. `ids.devices` holds them too. */
  natives: string[] = [];
  readonly #names: NameGiver;
  #made = 0;

  constructor(app: TestApp, timers: ClockTimers) {
    this.app = app;
    this.timers = timers;
    const warn = (facts: object, text: string) => assert.fail(`${text} ${JSON.stringify(facts)}`);
    const spending = { share: () => () => undefined };
    this.#names = new NameGiver({
      store: app.store,
      publicHost: async () => null,
      mostNames: 100,
      log: { warn },
      spending,
    });
  }

  async fill(): Promise<void> {
    const make = makers(this.app);
    const { id: protocol } = await make.protocol('80');
    for (const name of ['one', 'two']) {
      const { id } = await make.gateway(name, { endpoint: `${name}.example.com` });
      await this.app.parts.directory.agents.gateway.wireguardKeyChanged(id, publicKeyOf(name));
      this.gateways.push(id);
      await this.#request('POST', `/tenants/gateways/${id}/enable-relay`);
    }
    for (const name of ['laptop', 'phone']) this.natives.push((await nativeDevice(this.app, name)).id);
    this.ids.devices.push(...this.natives);
    for (const [i, address] of ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.3', 'fd00::/8'].entries()) {
      const type = i === 3 ? 'SAAS' : 'PRIVATE';
      const { id } = await make.resource(`r${i}`, [{ address, protocols: [protocol] }], { type });
      await make.attach(id, i % 2 === 0 ? this.gateways : this.gateways.slice(0, 1));
      this.ids.resources.push(id);
    }
    for (const [i, names] of [['wiki.corp'], ['wiki.corp', '*.corp']].entries()) {
      const given = names.map((address) => ({ address, protocols: [protocol] }));
      const { id } = await make.resource(`names ${i}`, given);
      await make.attach(id, this.gateways.slice(i));
      this.ids.resources.push(id);
    }
    for (const n of [1, 2, 3]) {
      for (const what of ['group', 'user', 'device', 'rule'] as const) await this.create[what](n, n);
    }
    for (const n of [2, 0, 1, 3, 4]) await this.create.policy(n, n);
  }

  /** Steps. Two numbers choose the objects and values of each. */
  readonly create = {
    group: (a: number) => this.#post('groups', { name: `group ${a % 3}`, roles: [] }),
    user: (a: number, b: number) =>
      this.#post('users', { email: `user${++this.#made}@example.com`, groups: this.#some('groups', a * b) }),
    device: (a: number, b: number) =>
      this.#post('devices', {
        name: `d${a}`,
        publicKey: publicKeyOf(String(++this.#made)),
        user: b % 3 === 0 ? null : this.#one('users', b),
      }),
    rule: (a: number, b: number) => this.#post('admission-rules', this.#rule(a, b), 'rules'),
    policy: (a: number, b: number) => this.#post('policies', this.#policy(a, b)),
  };

  readonly steps = {
    ...this.create,
    changeRule: (a: number, b: number) =>
      this.#send('PUT', 'admission-rules', this.#one('rules', a), '', this.#rule(b, a)),
    changeGroup: (a: number, b: number) =>
      this.#send('PUT', 'groups', this.#one('groups', a), '', { name: `group ${b % 3}`, roles: [] }),
    department: (a: number, b: number) =>
      this.#send('PUT', 'users', this.#one('users', a), '', { department: b % 2 === 0 ? 'Engineering' : null }),
    join: (a: number, b: number) =>
      this.#send('POST', 'users', this.#one('users', a), '/groups', { groupId: this.#one('groups', b) }),
    leave: (a: number, b: number) =>
      this.#send('DELETE', 'users', this.#one('users', a), `/groups/${this.#one('groups', b)}`),
    deactivateUser: (a: number) => this.#send('PATCH', 'users', this.#one('users', a), '/deactivate'),
    reactivateUser: (a: number) => this.#send('POST', 'users', this.#one('users', a), '/reactivate'),
    changeDevice: (a: number, b: number) =>
      this.#send('PATCH', 'devices', this.#one('devices', a), '', {
        name: 'd',
        posture: { diskEncrypted: b % 2 === 0 },
        user: b % 4 === 0 ? null : this.#one('users', b),
      }),
    deactivateDevice: (a: number) => this.#send('PATCH', 'devices', this.#one('devices', a), '/deactivate'),
    reactivateDevice: (a: number) => this.#send('POST', 'devices', this.#one('devices', a), '/reactivate'),
    attach: (a: number, b: number) =>
      this.#send('PUT', 'resources', this.#one('resources', a), '/load-balancing', {
        loadBalancingMode: 'MANUAL',
        gateways: this.gateways.slice(b % 2),
      }),
    detach: (a: number, b: number) =>
      this.#send('DELETE', 'resources', this.#one('resources', a), `/gateways/${this.gateways[b % 2]}`),
    network: (a: number, b: number) =>
      this.#send('PATCH', 'gateways', this.gateways[a % 2], '', {
        ...{ name: 'gateway', wireguardPort: '51820' },
        network: [null, 'berlin', 'paris'][b % 3],
      }),
    askName: async (a: number, b: number) => {
      const agent = { role: 'gateway', id: this.gateways[a % 2] ?? '', tenant: this.app.tenant.id } as const;
      const outcome = await this.#names.ask(agent, `n${b % 3}.corp`, this.natives[0] ?? '');
      assert.notEqual(outcome, 'later');
    },
    deleteUser: (a: number) => this.#delete('users', a),
    deleteGroup: (a: number) => this.#delete('groups', a),
    deleteRule: (a: number) => this.#delete('rules', a, 'admission-rules'),
    deletePolicy: (a: number) => this.#delete('policies', a),
    zone: (a: number) => this.#request('PATCH', '/tenants/settings', { name: 'x', timeZone: zones[a % zones.length] }),
    move: async (a: number, b: number) => {
      const [device, source] = [this.#one('devices', a), sources[b % sources.length] ?? ''];
      if (device === undefined) return;
      this.app.parts.deviceMoved(this.app.tenant.id, device, source);
      await this.app.parts.directory.deviceMoved(this.app.tenant.id, new Map([[device, source]]));
    },
    enter: (a: number, b: number) =>
      this.#send('PATCH', 'devices', this.#one('devices', a), '', {
        name: 'd',
        entryGateway: b % 3 === 0 ? null : this.gateways[b % 2],
      }),
    tell: async (a: number, b: number) => {
      const device = this.natives[a % this.natives.length] ?? '';
      await this.app.parts.directory.deviceTold(device, { posture: { diskEncrypted: b % 2 === 0 } });
    },
    relay: (a: number, b: number) =>
      this.#send('POST', 'gateways', this.gateways[a % 2], b % 2 === 0 ? '/enable-relay' : '/disable-relay'),
    drain: (a: number, b: number) =>
      this.#send('PATCH', 'gateways', this.gateways[a % 2], '', {
        name: 'gateway',
        wireguardPort: '51820',
        intent: (['ACTIVE', 'MAINTENANCE', 'OFFLINE'] as const)[b % 3],
      }),
    wait: async (a: number, b: number) => this.timers.advanceTo(this.app.clock.now + (a * 31 + b) * 60_000),
  };

  #one(kind: keyof RandomTenant['ids'], n: number): string | undefined {
    const all = this.ids[kind];
    return all[n % Math.max(1, all.length)];
  }

  #some(kind: keyof RandomTenant['ids'], n: number): string[] {
    return this.ids[kind].filter((_, i) => ((n >> (i % 5)) & 1) === 1);
  }

  #rule(a: number, b: number) {
    const zone = b % 2 === 0 ? null : zones[b % zones.length];
    return { name: 'rule', rule: rules[a % rules.length], hasTimeConstraint: false, timeZone: zone };
  }

  #policy(a: number, b: number) {
    const rule = b % 3 === 0 ? undefined : this.#one('rules', b);
    const common = { name: 'p', allResources: true, ...(rule === undefined ? {} : { rule }) };
    const people = { groups: this.#some('groups', a), users: this.#some('users', b), allUsers: b % 7 === 0 };
    switch (a % 5) {
      case 0:
        return {
          ...common,
          type: 'INTERNET',
          action: true,
          mode: 'INTERNET_ACCESS_POINT',
          gateways: this.gateways,
          ...people,
        };
      case 1:
        return {
          name: 'p',
          allResources: true,
          type: 'SITETOSITE',
          action: true,
          sourceIps: [`192.168.${b % 4}.0/24`],
          gateways: this.gateways.slice(1),
        };
      case 2:
        return { name: 'p', type: 'PRIVATE', action: false, devices: this.#some('devices', b), allResources: true };
      default:
        return { ...common, type: a % 2 === 0 ? 'SAAS' : 'PRIVATE', action: true, ...people, allGroups: b % 11 === 0 };
    }
  }

  async #post(kind: string, body: object, list = kind): Promise<void> {
    const id = (await this.#request('POST', `/tenants/${kind}`, body))?.id;
    if (id !== undefined) this.ids[list as keyof RandomTenant['ids']].push(id);
  }

  async #send(
    method: 'PUT' | 'PATCH' | 'POST' | 'DELETE',
    kind: string,
    id: string | undefined,
    rest = '',
    body?: object,
  ) {
    if (id !== undefined) await this.#request(method, `/tenants/${kind}/${id}${rest}`, body);
  }

  async #delete(kind: keyof RandomTenant['ids'], n: number, path: string = kind): Promise<void> {
    const id = this.#one(kind, n);
    if (id === undefined || this.ids[kind].length < 2) return;
    const { status } = await this.app.request('DELETE', `/tenants/${path}/${id}`);
    if (status === 204) this.ids[kind] = this.ids[kind].filter((other) => other !== id);
    if (kind === 'users') await this.#forgetDevices();
  }

  /** Devices are deleted with their owners. */
  async #forgetDevices(): Promise<void> {
    const { json } = await this.app.request('GET', '/tenants/devices?limit=100');
    this.ids.devices = json.data.map(({ id }: { id: string }) => id);
  }

  /** A refusal is an expected answer: limits, unknown ids, last groups. A failure inside is not. */
  async #request(method: 'PUT' | 'PATCH' | 'POST' | 'DELETE', path: string, body?: object) {
    const { status, json, text } = await this.app.request(method, path, body === undefined ? {} : { body });
    assert.ok(status < 500, `${method} ${path} ${JSON.stringify(body)}: ${text}`);
    return status < 300 ? json : undefined;
  }
}
