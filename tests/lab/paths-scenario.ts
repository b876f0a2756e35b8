import type { RequestBody } from '@sallyport/contract';
import { Cleanup, type Host } from '@sallyport/testkit';
import { makePolicy, makeResource } from './administration.ts';
import { ClientUnderTest, type ClientWish } from './client.ts';
import type { ControllerApi } from './controller-api.ts';
import { type LabPlan, NatLab, serverOf } from './nat-lab.ts';
import { ControllerUnderTest, GatewayUnderTest } from './system.ts';

/** Plan of a scenario. */
export interface PathsPlan<Name extends string> extends LabPlan<Name> {
  /** Hosts that run a gateway, in order of preference of resources. */
  readonly gateways: Readonly<Partial<Record<NoInfer<Name>, GatewayWish>>>;
}

/** A gateway to run. */
export interface GatewayWish {
  /** Configures the gateway's address, which must be public. By default it is discovered. */
  readonly endpoint?: boolean;
  readonly relay?: boolean;
  /** Folder of another version of this repository, whose agent runs. */
  readonly tree?: string;
}

/** A running gateway. */
export interface RunningGateway {
  readonly id: string;
  readonly token: string;
  readonly agent: GatewayUnderTest;
}

/** A lab with NATs, a controller and ONLINE gateways. Every LAN's server reports the source address on port 80. */
export class PathsScenario<Name extends string = string, C extends ControllerApi = ControllerUnderTest> {
  readonly lab: NatLab<Name>;
  readonly controller: C;
  readonly #gateways: ReadonlyMap<string, RunningGateway>;

  private constructor(lab: NatLab<Name>, controller: C, gateways: ReadonlyMap<string, RunningGateway>) {
    this.lab = lab;
    this.controller = controller;
    this.#gateways = gateways;
  }

  static create<Name extends string>(plan: PathsPlan<Name>): Promise<PathsScenario<Name>> {
    return PathsScenario.createWith(plan, (lab) => ControllerUnderTest.start(lab));
  }

  /** Creates a lab with controllers of its own kind. */
  static async createWith<Name extends string, C extends ControllerApi>(
    plan: PathsPlan<Name>,
    start: (lab: NatLab<Name>) => Promise<C>,
  ): Promise<PathsScenario<Name, C>> {
    const cleanup = new Cleanup();
    const lab = await NatLab.create(plan, cleanup);
    try {
      await Promise.all(
        Object.keys(plan.lans ?? {}).map(async (lan) => {
          await (await lab.host(serverOf(lan))).listenHttpSource(80);
        }),
      );
      const controller = await start(lab);
      const gateways = new Map<string, RunningGateway>();
      for (const [name, wish] of Object.entries(plan.gateways) as [Name, GatewayWish][]) {
        gateways.set(name, await startGateway(lab, controller, name, wish));
      }
      const scenario = new PathsScenario(lab, controller, gateways);
      await Promise.all([...gateways.keys()].map((name) => scenario.online(name as Name)));
      return scenario;
    } catch (error) {
      await cleanup.run();
      throw error;
    }
  }

  get cleanup(): Cleanup {
    return this.lab.cleanup;
  }

  gateway(name: Name): RunningGateway {
    const gateway = this.#gateways.get(name);
    if (gateway === undefined) throw new Error(`${name} runs no gateway`);
    return gateway;
  }

  /** Waits until a gateway is ONLINE. */
  async online(name: Name): Promise<void> {
    const { id, agent } = this.gateway(name);
    await this.controller.gatewayIs(id, 'ONLINE').catch((error: Error) => {
      const [ours, theirs] = [agent.daemon.output, this.controller.output].map((output) => output.slice(-4000));
      throw new Error(`${error.message}\nagent of ${name}:\n${ours}\ncontroller:\n${theirs}`);
    });
  }

  /**
   * Creates a resource for the server of a LAN (TCP 80 and ICMP) behind these gateways, open to every device. Returns
   * its id.
   */
  async open(
    lan: string,
    gateways: readonly NoInfer<Name>[],
    { mode = 'MANUAL' }: { mode?: 'MANUAL' | 'AUTOMATIC' } = {},
  ): Promise<string> {
    const resource = await makeResource(this.controller, {
      ...{ name: lan, addresses: [this.lab.address(serverOf(lan))], ports: ['TCP 80', 'ICMP'], mode },
      gateways: gateways.map((name) => this.gateway(name).id),
    });
    await this.policy(`everybody to ${lan}`, { allDevices: true, resources: [resource] });
    return resource;
  }

  policy(name: string, body: Partial<RequestBody<'createPolicy'>>): Promise<string> {
    return makePolicy(this.controller, name, body);
  }

  /** Waits until all gateways have applied the newest revision. */
  async converged(): Promise<void> {
    await Promise.all([...this.#gateways.values()].map(({ id }) => this.controller.converged(id)));
  }

  clientUp(place: NoInfer<Name>, options: ClientWish = {}): Promise<ClientUnderTest> {
    return ClientUnderTest.up(this.lab, this.controller, place, options);
  }

  server(lan: string): Promise<Host> {
    return this.lab.host(serverOf(lan));
  }

  url(lan: string): string {
    return `http://${this.lab.address(serverOf(lan))}/`;
  }
}

async function startGateway<Name extends string>(
  lab: NatLab<Name>,
  controller: ControllerApi,
  name: Name,
  { endpoint = false, relay = false, tree }: GatewayWish,
): Promise<RunningGateway> {
  const { id, token } = await controller.call('createGateway', {
    body: { name, wireguardPort: '51820', ...(endpoint && { endpoint: lab.address(name) }) },
  });
  if (relay) await controller.call('enableRelay', { params: { id } });
  return { id, token, agent: await GatewayUnderTest.start(lab, controller, token, name, tree) };
}
