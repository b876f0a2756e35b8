import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Host, PostgresServer, until } from '@sallyport/testkit';
import { Balancer } from './balancer.ts';
import { ControllerApi } from './controller-api.ts';
import type { NatLab } from './nat-lab.ts';
import { ControllerUnderTest, temporaryFolder } from './system.ts';

const [address, port] = ['203.0.113.10', 8080];
const database = 'sallyport';

/** An agent and where it is connected. */
export interface HeldAgent {
  readonly agent: string;
  /** Place of the controller that has it; null: of one that has ended. */
  readonly place: string | null;
}

/** Several real controllers on one real PostgreSQL database, and the API as the balancer in front of them answers it. */
export class ReplicasUnderTest<Place extends string = string> extends ControllerApi {
  readonly url = `http://${address}:${port}`;
  readonly server: PostgresServer;
  readonly balancer: Balancer;
  readonly #all: ReadonlyMap<Place, ControllerUnderTest>;
  readonly #addresses: ReadonlyMap<string, string>;

  private constructor(
    host: Host,
    server: PostgresServer,
    balancer: Balancer,
    all: ReadonlyMap<Place, ControllerUnderTest>,
    addresses: ReadonlyMap<string, string>,
  ) {
    super(host);
    this.server = server;
    this.balancer = balancer;
    this.#all = all;
    this.#addresses = addresses;
  }

  /** Starts a controller at each place, which has an address on the internet of the lab. */
  static async start<Place extends string>(
    lab: NatLab<Place>,
    places: readonly Place[],
  ): Promise<ReplicasUnderTest<Place>> {
    const { cleanup } = lab;
    const [server, folder] = await Promise.all([PostgresServer.start(cleanup), temporaryFolder(cleanup)]);
    await server.sql(`CREATE DATABASE ${database}`);
    const keyFile = join(folder, 'master.key');
    await writeFile(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
    const shared = {
      SALLYPORT_DATABASE_URL: server.url(database),
      SALLYPORT_MASTER_KEY_FILE: keyFile,
      SALLYPORT_TRUSTED_PROXIES: address,
    };
    const start = async (place: Place) => {
      const own = lab.address(place);
      const env = { ...shared, SALLYPORT_BEACON_ENDPOINT: own };
      const publicUrl = `http://${address}:${port}`;
      return [place, await ControllerUnderTest.start(lab, { place, address: own, publicUrl, env })] as const;
    };
    const all = new Map(await Promise.all(places.map(start)));
    const addresses = new Map(places.map((place) => [lab.address(place), place]));
    const backends = places.map((name) => ({ name, address: lab.address(name), port }));
    const balancer = await Balancer.start(cleanup, lab.space('controller'), { address, port, backends });
    const replicas = new ReplicasUnderTest(await lab.host('controller'), server, balancer, all, addresses);
    await until('the balancer to find a controller', () => replicas.isReady());
    return replicas;
  }

  get output(): string {
    return [...this.#all].map(([place, { output }]) => `${place}:\n${output.slice(-2_000)}`).join('\n');
  }

  /** All controllers, in order. */
  get all(): readonly ControllerUnderTest[] {
    return [...this.#all.values()];
  }

  at(place: Place): ControllerUnderTest {
    const found = this.#all.get(place);
    if (found === undefined) throw new Error(`no controller at ${place}`);
    return found;
  }

  /** Runs SQL in the database of the controllers. */
  sql(text: string): Promise<string> {
    return this.server.sql(text, database);
  }

  /** Returns which controller has each agent, as the database says. */
  async holders(): Promise<HeldAgent[]> {
    const rows = await this.sql(
      `SELECT h.agent, coalesce(r.beacon, '') FROM agent_holders h LEFT JOIN replicas r ON r.id = h.replica ORDER BY 1`,
    );
    const lines = rows.split('\n').filter((line) => line !== '');
    return lines.map((line) => {
      const [agent = '', beacon = ''] = line.split('|');
      return { agent, place: [...this.#addresses].find(([own]) => beacon.includes(`"${own}:`))?.[1] ?? null };
    });
  }

  /** Waits until these agents are at one of these controllers. */
  async held(agents: readonly string[], places: readonly Place[]): Promise<void> {
    await until(
      `${agents.length} agents to be at ${places.join(' or ')}`,
      async () => {
        const holders = new Map((await this.holders()).map(({ agent, place }) => [agent, place]));
        return agents.every((agent) => (places as readonly (string | null)[]).includes(holders.get(agent) ?? null));
      },
      { everyMs: 25 },
    );
  }
}
