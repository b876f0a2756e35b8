import { monotonicMs, until } from '@sallyport/testkit';
import { dice, pick } from '../protocol/dice.ts';
import { makePolicy, makeResource } from './administration.ts';
import { ApiLedger, type LedgerCounts } from './api-ledger.ts';
import type { ClientUnderTest } from './client.ts';
import { serverOf } from './nat-lab.ts';
import { PathsScenario } from './paths-scenario.ts';
import { nats } from './paths-topologies.ts';
import { ReplicasUnderTest } from './replicas.ts';

const places = ['one', 'two', 'three'] as const;
const sites = { office: 'gate', plant: 'hub' } as const;
const flows = ['office', 'plant'] as const;
const grantedPorts = Array.from({ length: 8 }, (_, n) => 7001 + n);
type Place = (typeof places)[number];
type Host = 'laptop' | 'gate' | 'hub' | Place;

/** What a run of the load has shown. */
export interface LoadReport {
  /** The faults and their times, in seconds from the start. */
  readonly story: readonly string[];
  readonly writes: Readonly<LedgerCounts>;
  readonly flows: Readonly<Record<(typeof flows)[number], { readonly sent: number; readonly lost: number }>>;
  /** How long agents of a controller that was killed took to be at another one, milliseconds. */
  readonly killedMs: readonly number[];
  /** The same for one that was stopped, and for one whose cable was cut. */
  readonly stoppedMs: readonly number[];
  readonly vanishedMs: readonly number[];
  /** What was acknowledged and is not so, and packets that pass without a grant, one sentence each. */
  readonly wrong: readonly string[];
}

/** How the load runs. */
export interface LoadWish {
  readonly seed: number;
  readonly durationMs: number;
  /** Without it nothing is disturbed. */
  readonly faults: boolean;
  readonly tell?: (line: string) => void;
}

type Scenario = PathsScenario<Host, ReplicasUnderTest<Host>>;

interface Furnished {
  readonly laptop: ClientUnderTest;
  readonly grants: readonly { readonly device: string; readonly resource: string }[];
}

/** Three controllers on one database, two gateways and a device with traffic to the networks of both. */
export class LoadedReplicas {
  readonly #s: Scenario;
  readonly #laptop: ClientUnderTest;
  readonly #grants: Furnished['grants'];

  private constructor(s: Scenario, { laptop, grants }: Furnished) {
    this.#s = s;
    this.#laptop = laptop;
    this.#grants = grants;
  }

  static async start(): Promise<LoadedReplicas> {
    const s = await PathsScenario.createWith<Host, ReplicasUnderTest<Host>>(
      {
        nats: { home: nats.friendly, site: nats.friendly },
        hosts: { laptop: 'home', gate: 'site', hub: 'internet', one: 'internet', two: 'internet', three: 'internet' },
        lans: { office: ['gate'], plant: ['hub'] },
        gateways: { gate: {}, hub: { endpoint: true } },
      },
      (lab) => ReplicasUnderTest.start<Host>(lab, places),
    );
    try {
      return new LoadedReplicas(s, await furnish(s));
    } catch (error) {
      await s.cleanup.run();
      throw error;
    }
  }

  end(): Promise<void> {
    return this.#s.cleanup.run();
  }

  /** Runs load and traffic for a time, mends everything, and compares what there is with what was acknowledged. */
  async run({ seed, durationMs, faults, tell = () => undefined }: LoadWish): Promise<LoadReport> {
    const [{ controller, lab }, laptop] = [this.#s, this.#laptop];
    const from = monotonicMs();
    const story: string[] = [];
    const note = (line: string) => {
      story.push(`${((monotonicMs() - from) / 1000).toFixed(1)} s: ${line}`);
      tell(story.at(-1) ?? '');
    };
    const ledger = new ApiLedger(controller, dice(seed + 1), this.#grants);
    for (const lan of flows) await laptop.host.startDatagrams(lan, lab.address(serverOf(lan)), 7000, 20);
    ledger.start();
    const disturber = new Disturber(this.#s, dice(seed), note);
    if (faults) await disturber.run(from + durationMs);
    else await pause(durationMs);
    await ledger.stop();
    note('the load is over');
    const wrong = [...disturber.wrong, ...(await this.#differences(ledger))];
    const states = await Promise.all(flows.map((lan) => laptop.host.stopStream(lan)));
    const counted = states.map(({ sent, received }, n) => [flows[n], { sent, lost: sent - received }] as const);
    const { killedMs, stoppedMs, vanishedMs } = disturber;
    const byFlow = Object.fromEntries(counted) as LoadReport['flows'];
    return { story, writes: ledger.counts, flows: byFlow, killedMs, stoppedMs, vanishedMs, wrong };
  }

  async #differences(ledger: ApiLedger): Promise<string[]> {
    const { controller, lab } = this.#s;
    for (const replica of controller.all) {
      await until(`${replica.place} to be ready`, () => replica.isReady());
      for (const site of Object.values(sites)) await replica.converged(this.#s.gateway(site).id);
    }
    await this.#laptop.is('up to date', ({ current, controller: { connected } }) => current && connected);
    const found = await Promise.all(
      controller.all.map(async (one) => (await ledger.differences(one)).map((text) => `${one.place}: ${text}`)),
    );
    const [office, { host }] = [lab.address(serverOf('office')), this.#laptop];
    const isOpen = async (n: number) => (await host.tcp(office, grantedPorts[n] ?? 0, { timeoutMs: 1_000 })) === 'ok';
    for (const [n, { policy }] of ledger.grants.entries()) {
      if (policy === null && (await isOpen(n)))
        found.push([`packets pass to port ${grantedPorts[n]}, which is revoked`]);
      if (policy !== null && !(await isOpen(n))) found.push([`no packet passes to port ${grantedPorts[n]}`]);
    }
    return found.flat();
  }
}

/** Makes resources, and brings the device up. */
async function furnish(s: Scenario): Promise<Furnished> {
  const { controller, lab } = s;
  for (const lan of flows) await (await s.server(lan)).listenUdp(7000);
  const office = await s.server('office');
  for (const port of grantedPorts) await office.listenTcp(port);
  const resource = (lan: (typeof flows)[number], name: string, ports: readonly string[]) =>
    makeResource(controller, {
      ...{ name, ports, addresses: [lab.address(serverOf(lan))], gateways: [s.gateway(sites[lan]).id] },
    });
  const steady = await Promise.all(flows.map((lan) => resource(lan, lan, ['UDP 7000'])));
  await makePolicy(controller, 'steady', { allDevices: true, resources: steady });
  const laptop = await s.clientUp('laptop');
  const grants: { device: string; resource: string }[] = [];
  for (const port of grantedPorts)
    grants.push({ device: laptop.id, resource: await resource('office', `port ${port}`, [`TCP ${port}`]) });
  await laptop.is(
    'a direct path',
    ({ gateways }) => gateways.length === 2 && gateways.every((g) => g.path === 'direct'),
  );
  for (const lan of flows)
    await until(`the way to ${lan}`, async () => (await laptop.host.udp(lab.address(serverOf(lan)), 7000)) === 'ok');
  return { laptop, grants };
}

/** Disturbs controllers and their database, in an order that the seed decides, and mends all of it. */
class Disturber {
  readonly killedMs: number[] = [];
  readonly stoppedMs: number[] = [];
  readonly vanishedMs: number[] = [];
  readonly wrong: string[] = [];
  readonly #s: Scenario;
  readonly #replicas: ReplicasUnderTest<Host>;
  readonly #roll: () => number;
  readonly #note: (line: string) => void;

  constructor(s: Scenario, roll: () => number, note: (line: string) => void) {
    this.#s = s;
    this.#replicas = s.controller;
    this.#roll = roll;
    this.#note = note;
  }

  /** Runs faults until a moment, one after the other. Whatever they begin they end. */
  async run(until: number): Promise<void> {
    const { server } = this.#replicas;
    const faults: (() => Promise<void>)[] = [
      () => this.#endOne('SIGKILL', this.killedMs),
      () => this.#endOne('SIGKILL', this.killedMs),
      () => this.#endOne('SIGTERM', this.stoppedMs),
      () => this.#freezeOne(until),
      () => this.#cutOneOff(),
      () => this.#restartDatabase('SIGINT'),
      () => this.#restartDatabase('SIGKILL'),
      () => this.#endSessions(`query LIKE 'LISTEN%'`, 'sessions that listen are ended'),
      () => this.#endSessions('true', 'all sessions are ended'),
    ];
    let left: typeof faults = [];
    while (monotonicMs() < until) {
      // Each kind comes once before one comes again.
      if (left.length === 0) left = [...faults];
      const fault = pick(this.#roll, left);
      left.splice(left.indexOf(fault), 1);
      await fault();
      await server.sql('SELECT 1');
      for (const { place, daemon } of this.#replicas.all)
        if (!daemon.running) this.wrong.push(`the controller ${place} ended by itself: ${daemon.output.slice(-600)}`);
      if (this.wrong.length > 0) return;
      await this.#pause(1_000, 4_000);
    }
  }

  /** Ends the controller with the most agents, measures how long these are away, and starts it again. */
  async #endOne(signal: 'SIGKILL' | 'SIGTERM', times: number[]): Promise<void> {
    const { place, agents } = await this.#busiest();
    const [replica, at] = [this.#replicas.at(place), monotonicMs()];
    const gone = replica.daemon.kill(signal);
    const ms = await this.#elsewhere(place, agents, at, times);
    await gone;
    this.#note(`${place} got ${signal}; its ${agents.length} agents were elsewhere after ${ms} ms`);
    await this.#pause(500, 6_000);
    await replica.start();
    this.#note(`${place} runs again`);
  }

  /** The controller with the most agents keeps the database, and no agent reaches it. */
  async #cutOneOff(): Promise<void> {
    const { place, agents } = await this.#busiest();
    await this.#s.lab.cut(place);
    this.#note(`${place} is cut off`);
    const ms = await this.#elsewhere(place, agents, monotonicMs(), this.vanishedMs);
    this.#note(`the ${agents.length} agents of ${place} were elsewhere after ${ms} ms`);
    await this.#s.lab.restore(place);
  }

  async #busiest(): Promise<{ readonly place: Place; readonly agents: readonly string[] }> {
    const holders = await this.#replicas.holders();
    const of = (place: Place) => holders.filter((holder) => holder.place === place).map(({ agent }) => agent);
    const [place = 'one'] = places.toSorted((a, b) => of(b).length - of(a).length);
    return { place, agents: of(place) };
  }

  /** Waits until the agents of a place are at others. Returns and records how long that took, milliseconds. */
  async #elsewhere(place: Place, agents: readonly string[], since: number, times: number[]): Promise<number> {
    await this.#replicas.held(
      agents,
      places.filter((other) => other !== place),
    );
    const ms = Math.round(monotonicMs() - since);
    if (agents.length > 0) times.push(ms);
    if (ms > 5_000) this.#note(`what gateways said: ${this.#connections()}`);
    return ms;
  }

  /** The last lines of the gateways about their connections. */
  #connections(): string {
    const outputs = Object.values(sites).map((site) => this.#s.gateway(site).agent.daemon.output);
    return outputs.flatMap((output) => output.match(/.*connected.*/g)?.slice(-6) ?? []).join('\n');
  }

  async #freezeOne(until: number): Promise<void> {
    const place = pick(this.#roll, places);
    const { child } = this.#replicas.at(place).daemon;
    child.kill('SIGSTOP');
    this.#note(`${place} stands still`);
    await this.#pause(2_000, Math.max(2_500, Math.min(45_000, until - monotonicMs())));
    child.kill('SIGCONT');
    this.#note(`${place} goes on`);
  }

  async #restartDatabase(signal: 'SIGINT' | 'SIGKILL'): Promise<void> {
    const { server } = this.#replicas;
    await server.kill(signal);
    this.#note(`the database got ${signal}`);
    await this.#pause(200, 6_000);
    await server.run();
    this.#note('the database runs again');
  }

  async #endSessions(which: string, text: string): Promise<void> {
    await this.#replicas.sql(
      `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid() AND ${which}`,
    );
    this.#note(text);
  }

  #pause(leastMs: number, mostMs: number): Promise<void> {
    return pause(leastMs + (mostMs - leastMs) * this.#roll());
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
