import { type Cleanup, until } from '@sallyport/testkit';
import { FleetController } from './fleet-controller.ts';
import { Simulators } from './simulators.ts';

/** Size of a fleet. */
export interface FleetSize {
  readonly gateways: number;
  readonly devices: number;
}

/** How a fleet was told of a change. Times in milliseconds from the start of the request. */
export interface Spread {
  readonly lastGatewayMs: number;
  readonly lastDeviceMs: number;
  /** Longest stall of the controller's event loop. */
  readonly stallMs: number;
  /** Most processor time that it took at a time. */
  readonly heldMs: number;
  readonly cpuMs: number;
}

/** CPU of the controller, seconds, that each part of setting a fleet up took. */
export interface SetUp {
  readonly create: number;
  readonly enrol: number;
  /** Resident memory per agent, bytes. */
  readonly memory: number;
}

/** Requests at the same time while a fleet is made. */
const atOnce = 16;

/**
 * A tenant with gateways and devices on one controller. Every device may reach two resources behind all gateways. `toggle`
 * closes and opens one of them, `changeOne` changes what one device may reach.
 */
export class Fleet {
  readonly controller: FleetController;
  readonly simulators: Simulators;
  readonly size: FleetSize;
  #setUp: SetUp = { create: Number.NaN, enrol: Number.NaN, memory: Number.NaN };
  #everyone = '';
  #one = '';
  #device = '';
  #rule = '';
  #resources: readonly string[] = [];
  #open = true;
  #turn = 0;

  private constructor(controller: FleetController, simulators: Simulators, size: FleetSize) {
    this.controller = controller;
    this.simulators = simulators;
    this.size = size;
  }

  /** Makes a tenant and enrols all of its agents. `strict`: the agents check every signature and hash. */
  static async start(cleanup: Cleanup, size: FleetSize, strict: boolean, processes = 2): Promise<Fleet> {
    const fleet = new Fleet(await FleetController.start(cleanup), new Simulators(processes, cleanup), size);
    const { controller, simulators } = fleet;
    const before = await controller.usage();
    const gateways = await fleet.#create(size.gateways, '/gateways', (n) => ({
      name: `site ${n}`,
      wireguardPort: '51820',
      endpoint: `gw${n}.example.com`,
    }));
    const keys = await fleet.#create(size.devices, '/enrolment-keys', (n) => ({ name: `laptop ${n}` }));
    await fleet.#furnish(gateways.map(({ id }) => id));
    const created = await controller.usage();
    await simulators.connect(
      controller.url,
      [...gateways.map(({ token }) => token), ...keys.map(({ key }) => key)],
      strict,
    );
    await simulators.settled(300_000 + 100 * (size.gateways + size.devices));
    await fleet.#upToDate(gateways.map(({ id }) => id));
    fleet.#device = (await controller.call('GET', '/devices?limit=1')).data[0].id;
    const enrolled = await controller.usage();
    fleet.#setUp = {
      create: created.cpu - before.cpu,
      enrol: enrolled.cpu - created.cpu,
      memory: (enrolled.resident - before.resident) / (size.gateways + size.devices),
    };
    return fleet;
  }

  get setUp(): SetUp {
    return this.#setUp;
  }

  /** Closes a resource to all devices, or opens it again, at all gateways. */
  async toggle(): Promise<Spread> {
    this.#open = !this.#open;
    const body = { name: 'everyone', rule: this.#rule, action: this.#open, allDevices: true };
    return this.#spread(
      () => this.controller.call('PATCH', `/policies/${this.#everyone}`, { ...body, resources: [this.#resources[0]] }),
      this.size,
    );
  }

  /** Moves the grant of one device to another resource of the first gateway. */
  async changeOne(): Promise<Spread> {
    const resource = this.#resources[2 + (this.#turn++ % 2)];
    const body = { name: 'one', rule: this.#rule, action: true, devices: [this.#device], resources: [resource] };
    return this.#spread(() => this.controller.call('PATCH', `/policies/${this.#one}`, body), {
      gateways: 1,
      devices: 1,
    });
  }

  /** Returns the CPU share of the controller over a while without changes, and its resident memory at the end. */
  async idle(ms: number): Promise<{ readonly share: number; readonly resident: number }> {
    const before = await this.controller.usage();
    await new Promise((resolve) => setTimeout(resolve, ms));
    const after = await this.controller.usage();
    return { share: (after.cpu - before.cpu) / (ms / 1000), resident: after.resident };
  }

  /** Waits until all gateways have applied the last enrolments. Deltas of a stream of changes are paced. */
  async #upToDate(gateways: readonly string[]): Promise<void> {
    await until('all gateways to be up to date', async () => {
      const all = await Promise.all(gateways.map((id) => this.controller.call('GET', `/gateways/${id}`)));
      return all.every(({ statistics }) => statistics?.lag === 0);
    });
  }

  async #spread(change: () => Promise<unknown>, expected: FleetSize): Promise<Spread> {
    await this.simulators.mark();
    const before = await this.controller.usage();
    const began = performance.timeOrigin + performance.now();
    await change();
    const report = await until(
      'all agents to be told',
      async () => {
        const now = await this.simulators.report();
        return now.gateway.told >= expected.gateways && now.device.told >= expected.devices && now;
      },
      { everyMs: 25, timeoutMs: 60_000 + 30 * (expected.gateways + expected.devices) },
    );
    const after = await this.controller.usage();
    return {
      lastGatewayMs: report.gateway.lastToldAt - began,
      lastDeviceMs: report.device.lastToldAt - began,
      stallMs: after.stall,
      heldMs: after.held,
      cpuMs: (after.cpu - before.cpu) * 1000,
    };
  }

  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely
  async #create(count: number, path: string, body: (n: number) => object): Promise<any[]> {
    // biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely
    const made: any[] = [];
    let next = 0;
    const worker = async () => {
      while (next < count) made.push(await this.controller.call('POST', path, body(next++)));
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    return made;
  }

  async #furnish(gateways: readonly string[]): Promise<void> {
    const { controller } = this;
    const networkProtocols = [{ protocol: 'TCP', port: '443' }];
    const protocol = await controller.call('POST', '/protocols', { networkProtocols });
    const resource = async (n: number, at: readonly string[]): Promise<string> => {
      const address = { address: `10.0.0.${n}`, protocols: [protocol.id] };
      const { id } = await controller.call('POST', '/resources', {
        name: `server ${n}`,
        type: 'PRIVATE',
        addresses: [address],
      });
      await controller.call('PUT', `/resources/${id}/load-balancing`, { loadBalancingMode: 'MANUAL', gateways: at });
      return id;
    };
    const first = gateways.slice(0, 1);
    const behind = [gateways, gateways, first, first];
    this.#resources = await Promise.all(behind.map((at, n) => resource(n + 1, at)));
    const policy = { type: 'PRIVATE', action: true };
    const always = { name: 'always', ...policy, allDevices: true, resources: this.#resources.slice(1, 2) };
    await controller.call('POST', '/policies', always);
    const everyone = { name: 'everyone', ...policy, allDevices: true, resources: this.#resources.slice(0, 1) };
    const created = await controller.call('POST', '/policies', everyone);
    this.#everyone = created.id;
    this.#rule = created.rule.id;
    const one = { name: 'one', ...policy, resources: this.#resources.slice(2, 3) };
    this.#one = (await controller.call('POST', '/policies', { ...one, devices: [] })).id;
  }
}
