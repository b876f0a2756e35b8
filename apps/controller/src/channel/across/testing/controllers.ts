import { randomBytes, randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { type AgentRole, formatEnrolmentToken, type StateItem } from '@sallyport/contract/channel';
import { type MemoryReplica, MemoryReplicas } from '../../../testing/replicas.ts';
import type { ChannelDeps } from '../../deps.ts';
import { constantIdentity } from '../../keys.ts';
import { newSigner } from '../../testing/agent-keys.ts';
import { type Harness, type Line, startChannel } from '../../testing/harness.ts';
import { ManualTime } from '../../testing/manual-time.ts';
import { MemoryDirectory } from '../../testing/memory-directory.ts';
import { clientItem, gatewayItem, MemoryStates } from '../../testing/memory-states.ts';
import { newAgent } from '../../testing/scripted-agent.ts';
import type { Timers } from '../../timers.ts';
import { AgentsOfAll } from '../agents-of-all.ts';
import { MemoryHolders } from './memory-holders.ts';

/** One of several controllers. */
export interface Controller {
  readonly replica: MemoryReplica;
  readonly all: AgentsOfAll;
  readonly channel: Harness['channel'];
  readonly port: number;
  readonly lines: Line[];
}

/** Controllers with real channels on one directory, one set of states and one clock. They reach each other in memory. */
export class Controllers {
  readonly time = new ManualTime();
  readonly directory = new MemoryDirectory();
  readonly states = new MemoryStates();
  readonly network = new MemoryReplicas(this.time.clock);
  readonly holders = new MemoryHolders(this.time.clock);
  readonly #identity = newSigner();
  readonly #t: TestContext;

  constructor(t: TestContext) {
    this.#t = t;
  }

  async start(name: string, change: Partial<ChannelDeps> = {}): Promise<Controller> {
    const { directory, states, time } = this;
    const replica = this.network.join(name);
    const lines: Line[] = [];
    const at = (level: Line['level']) => (facts: object, text: string) => void lines.push({ level, facts, text });
    const log = { debug: at('debug'), info: at('info'), warn: at('warn') };
    const timers: Timers = { after: (ms, run) => this.#after(ms, run), soon: time.soon };
    const holders = this.holders.of(replica.self.id);
    const all = new AgentsOfAll({ replicas: replica, holders, clock: time.clock, timers, log });
    const own = { directory, states, clock: time.clock, timers: time, log, identity: constantIdentity(this.#identity) };
    const sourceElsewhere: ChannelDeps['sourceElsewhere'] = (...about) => all.passSourceOn(...about);
    const harness = await startChannel(this.#t, { ...own, holding: all.holding, sourceElsewhere, ...change });
    all.join(harness.channel);
    this.#t.after(() => all.stop());
    return { replica, all, channel: harness.channel, port: harness.port, lines };
  }

  /** A gateway or device that can enrol anywhere. */
  agent(role: AgentRole = 'gateway', items: StateItem[] = [role === 'gateway' ? gatewayItem() : clientItem()]) {
    const [id, secret] = [randomUUID(), randomBytes(32).toString('base64url')];
    this.directory.add(id, secret, role);
    this.states.add(id, items);
    const controllerFingerprint = randomBytes(16).toString('base64url');
    const token = formatEnrolmentToken({ role, agent: id, secret, controllerFingerprint });
    return newAgent(id, token, role);
  }

  /** Claims are made together after a moment. Tests do not wait for it. */
  #after(ms: number, run: () => void): () => void {
    if (ms > 5) return this.time.after(ms, run);
    const soon = setImmediate(run);
    return () => clearImmediate(soon);
  }
}
