import type { AgentBudget } from './agent-budget.ts';
import type { Log } from './log.ts';
import type { AgentDirectory, DeviceFacts, GatewayFacts } from './types.ts';

/** Facts about one agent. Fields of the other role are left out. */
interface Facts extends GatewayFacts {
  readonly deployedAt?: number;
  readonly told?: DeviceFacts;
}

const rowsPerWrite = 500;

/**
 * Writes reports of agents that must outlive the process to the directory. Facts about one agent are written at once
 * and one after the other, merged while a write runs. Moments are collected, and `flush` writes them in batches. A
 * failed write is tried again with the next flush, so nothing is lost.
 */
export class Observations {
  readonly #directory: AgentDirectory;
  readonly #log: Log;
  readonly #budget: AgentBudget;
  readonly #written: (agent: string) => void;
  readonly #facts = new Map<string, { readonly tenant: string; readonly facts: Facts }>();
  readonly #writing = new Map<string, Promise<void>>();
  #online = new Map<string, number>();
  #seen = new Map<string, Map<string, number>>();
  #moved = new Map<string, Map<string, string>>();
  #flushing: Promise<void> = Promise.resolve();
  #finishing = false;

  /** `written` is called with the agent after facts about it have become durable. */
  constructor(directory: AgentDirectory, log: Log, budget: AgentBudget, written: (agent: string) => void) {
    this.#directory = directory;
    this.#log = log;
    this.#budget = budget;
    this.#written = written;
  }

  observe(tenant: string, gateway: string, facts: Facts): void {
    this.#collect(gateway, facts, tenant);
    this.#write(gateway);
  }

  /** Facts that a client reports about its device. `later`: with the next flush, because reports are frequent. */
  deviceTold(tenant: string, device: string, facts: DeviceFacts, later: boolean): void {
    this.#collect(device, { told: { ...this.#facts.get(device)?.facts.told, ...facts } }, tenant);
    if (!later) this.#write(device);
  }

  online(gateway: string, at: number): void {
    this.#online.set(gateway, at);
  }

  deviceSeen(tenant: string, device: string, at: number): void {
    const devices = ofTenant(this.#seen, tenant);
    devices.set(device, Math.max(at, devices.get(device) ?? 0));
  }

  deviceMoved(tenant: string, device: string, source: string): void {
    ofTenant(this.#moved, tenant).set(device, source);
  }

  /** Forgets facts about a deleted agent that are not written yet. */
  forget(agent: string): void {
    this.#facts.delete(agent);
    this.#online.delete(agent);
  }

  /** Writes everything that was collected, and tries failed writes again. Resolves when done, even after a failure. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#flushNow());
    return this.#flushing;
  }

  /** Writes everything, including facts over the budget: there is no later flush. */
  finish(): Promise<void> {
    this.#finishing = true;
    return this.flush();
  }

  async #flushNow(): Promise<void> {
    for (const agent of this.#facts.keys()) this.#write(agent);
    const [online, seen, moved] = [this.#online, this.#seen, this.#moved];
    this.#online = new Map();
    this.#seen = new Map();
    this.#moved = new Map();
    for (const part of inParts(online)) {
      await this.#try(
        'last online',
        () => this.#directory.lastOnline(part),
        () => {
          for (const [gateway, at] of part) this.#online.set(gateway, Math.max(at, this.#online.get(gateway) ?? 0));
        },
      );
    }
    for (const [tenant, devices] of seen) {
      for (const part of inParts(devices)) {
        await this.#try(
          'device seen',
          () => this.#directory.deviceSeen(tenant, part),
          () => {
            for (const [device, at] of part) this.deviceSeen(tenant, device, at);
          },
        );
      }
    }
    for (const [tenant, devices] of moved) await this.#writeMoved(tenant, devices);
    await Promise.all(this.#writing.values());
  }

  async #writeMoved(tenant: string, devices: ReadonlyMap<string, string>): Promise<void> {
    for (const part of inParts(devices)) {
      await this.#try(
        'device moved',
        () => this.#directory.deviceMoved(tenant, part),
        () => {
          const newer = ofTenant(this.#moved, tenant);
          for (const [device, source] of part) if (!newer.has(device)) newer.set(device, source);
        },
      );
    }
  }

  #collect(agent: string, facts: Facts, tenant: string): void {
    this.#facts.set(agent, { tenant, facts: { ...this.#facts.get(agent)?.facts, ...facts } });
  }

  #write(agent: string): void {
    if (this.#writing.has(agent) || !this.#mayWrite(agent)) return;
    this.#writing.set(agent, this.#writeFacts(agent));
  }

  /** Facts over the budget are merged and wait for a flush. */
  #mayWrite(agent: string): boolean {
    const news = this.#facts.get(agent);
    if (news === undefined) return false;
    return this.#finishing || this.#budget.spend('facts', news.tenant, agent);
  }

  async #writeFacts(agent: string): Promise<void> {
    for (let news = this.#facts.get(agent); news !== undefined; news = this.#facts.get(agent)) {
      const { tenant, facts } = news;
      this.#facts.delete(agent);
      const { deployedAt, told, ...observed } = facts;
      const done = await this.#try(
        'observation',
        async () => {
          if (deployedAt !== undefined) await this.#directory.deployed(agent, deployedAt);
          if (told !== undefined) await this.#directory.deviceTold(agent, told);
          if (Object.keys(observed).length > 0) await this.#directory.observed(agent, observed);
        },
        () => this.#facts.set(agent, { tenant, facts: mergedFacts(facts, this.#facts.get(agent)?.facts) }),
      );
      if (!done) break;
      this.#written(agent);
      if (!this.#mayWrite(agent)) break;
    }
    this.#writing.delete(agent);
  }

  async #try(what: string, write: () => Promise<void>, undo: () => void): Promise<boolean> {
    try {
      await write();
      return true;
    } catch (error) {
      undo();
      this.#log.warn({ err: error, what }, 'could not write what agents told; will try again');
      return false;
    }
  }
}

function mergedFacts(older: Facts, newer: Facts | undefined): Facts {
  const told = older.told === undefined ? {} : { told: { ...older.told, ...newer?.told } };
  return { ...older, ...newer, ...told };
}

function ofTenant<V>(tenants: Map<string, Map<string, V>>, tenant: string): Map<string, V> {
  const known = tenants.get(tenant) ?? new Map<string, V>();
  tenants.set(tenant, known);
  return known;
}

function* inParts<V>(values: ReadonlyMap<string, V>): Generator<Map<string, V>> {
  let part = new Map<string, V>();
  for (const [key, value] of values) {
    part.set(key, value);
    if (part.size < rowsPerWrite) continue;
    yield part;
    part = new Map();
  }
  if (part.size > 0) yield part;
}
