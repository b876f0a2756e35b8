import type { RequestBody } from '@sallyport/contract';
import { Cleanup, type Host } from '@sallyport/testkit';
import { makePolicy, makeResource } from './administration.ts';
import type { TestDevice } from './controller-api.ts';
import { SmallInternet } from './small-internet.ts';
import { ControllerUnderTest, GatewayUnderTest, wgQuickUp } from './system.ts';

/** A gateway that is ONLINE in the small internet, with shortcuts for changes by tests. */
export class Scenario {
  readonly world: SmallInternet;
  readonly controller: ControllerUnderTest;
  readonly gateway: GatewayUnderTest;
  readonly gatewayId: string;
  readonly token: string;

  private constructor(
    world: SmallInternet,
    controller: ControllerUnderTest,
    gateway: GatewayUnderTest,
    gatewayId: string,
    token: string,
  ) {
    this.world = world;
    this.controller = controller;
    this.gateway = gateway;
    this.gatewayId = gatewayId;
    this.token = token;
  }

  static async create(cleanup = new Cleanup()): Promise<Scenario> {
    const world = await SmallInternet.create(cleanup);
    try {
      const controller = await ControllerUnderTest.start(world);
      const created = await controller.call('createGateway', {
        body: { name: 'office', wireguardPort: '51820', endpoint: '203.0.113.20' },
      });
      const gateway = await GatewayUnderTest.start(world, controller, created.token);
      const scenario = new Scenario(world, controller, gateway, created.id, created.token);
      await scenario.online();
      return scenario;
    } catch (error) {
      await cleanup.run();
      throw error;
    }
  }

  get cleanup(): Cleanup {
    return this.world.cleanup;
  }

  async online(): Promise<void> {
    await this.controller.gatewayIs(this.gatewayId, 'ONLINE').catch((error) => {
      throw new Error(`${(error as Error).message}\n${this.#logs()}`);
    });
  }

  #logs(): string {
    const end = (output: string) => output.slice(-4000);
    return `agent:\n${end(this.gateway.daemon.output)}\ncontroller:\n${end(this.controller.daemon.output)}`;
  }

  async converged(): Promise<void> {
    await this.controller.converged(this.gatewayId).catch((error) => {
      throw new Error(`${(error as Error).message}\n${this.#logs()}`);
    });
  }

  /**
   * Creates a resource behind the gateway; `ports` such as `TCP 80`, `UDP 5000-5100`, `ICMP`, `ALL`. Returns its id.
   */
  resource(name: string, addresses: readonly string[], ports: readonly string[]): Promise<string> {
    return makeResource(this.controller, { name, addresses, ports, gateways: [this.gatewayId] });
  }

  /** Creates a policy at the end of its list. Returns its id. */
  policy(name: string, body: Partial<RequestBody<'createPolicy'>>): Promise<string> {
    return makePolicy(this.controller, name, body);
  }

  /** Registers a device, and starts it in a namespace with wg-quick once the gateway knows it. */
  async deviceUp(
    place: 'laptop' | 'visitor',
    device: TestDevice,
    edit: (configuration: string) => string = (text) => text,
  ): Promise<Host> {
    await this.converged();
    await wgQuickUp(this.world, place, edit(await this.controller.deviceConfiguration(device)));
    return this.world.host(place);
  }
}
