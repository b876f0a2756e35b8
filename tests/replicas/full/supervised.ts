import { execFile as execFileOfNode } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Revision } from '@sallyport/contract/channel';
import type { Cleanup } from '@sallyport/testkit';
import { type AgentIdentity, ScriptedAgent } from '../../../apps/controller/src/channel/testing/scripted-agent.ts';
import { ControllerProcess } from '../../../apps/controller/src/testing/controller-process.ts';

const execFile = promisify(execFileOfNode);
const operator = join(import.meta.dirname, '../../../apps/controller/src/backup/main.ts');

/** Answer of the API. */
export interface Answer {
  readonly status: number;
  readonly json: ReturnType<typeof JSON.parse>;
}

/** A controller process that is started again whenever it ends, as a supervisor does it. */
export class Supervised {
  readonly #dataDir: string;
  readonly #env: Record<string, string>;
  #process: ControllerProcess | null = null;
  #stopped = false;
  #running: Promise<void> | null = null;
  /** What each run before has written to its log. */
  readonly logs: string[] = [];

  constructor(cleanup: Cleanup, dataDir: string, env: Record<string, string>) {
    this.#dataDir = dataDir;
    this.#env = env;
    cleanup.add(() => this.stop());
  }

  /** Resolves once it serves for the first time. */
  async start(): Promise<void> {
    this.#process = await ControllerProcess.start({ after: () => undefined }, this.#dataDir, [], this.#env);
    void this.#process.url;
    this.#running = this.#supervise();
  }

  /** Number of times that it was started again. */
  get restarts(): number {
    return this.logs.length;
  }

  /** Log of the present run and all before. */
  get log(): string {
    return [...this.logs, this.#process?.stderr ?? ''].join('');
  }

  /** Null while it does not serve. */
  get url(): string | null {
    try {
      return this.#process?.exitCode === null ? this.#process.url : null;
    } catch {
      return null;
    }
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    await this.#process?.kill(signal);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.kill('SIGKILL');
    await this.#running;
  }

  /** Refused connections and other failures count as status 0. */
  async ask(method: string, path: string, key: string, body?: object): Promise<Answer> {
    const headers = { apikey: key, ...(body && { 'content-type': 'application/json' }) };
    try {
      const options = { method, headers, signal: AbortSignal.timeout(40_000) };
      const answer = await fetch(`${this.url}${path}`, { ...options, ...(body && { body: JSON.stringify(body) }) });
      const text = await answer.text();
      return { status: answer.status, json: text === '' ? null : JSON.parse(text) };
    } catch {
      return { status: 0, json: null };
    }
  }

  /** What `sally operator replicas --json` prints. */
  async replicas(): Promise<ReturnType<typeof JSON.parse>> {
    const args = [operator, 'replicas', '--json', '--data-dir', this.#dataDir];
    return JSON.parse((await execFile(process.execPath, args)).stdout);
  }

  async #supervise(): Promise<void> {
    while (!this.#stopped) {
      if (this.#process?.ended === false) {
        await sleep(100);
        continue;
      }
      this.logs.push(this.#process?.stderr ?? '');
      this.#process = await ControllerProcess.start({ after: () => undefined }, this.#dataDir, [], this.#env);
      if (this.#stopped) await this.kill('SIGKILL');
      else if (this.url === null) await sleep(500);
    }
  }
}

/** An agent that is always connected to some controller, and keeps the rule that a revision of an epoch never goes back. */
export class LastingAgent {
  readonly #identity: AgentIdentity;
  readonly #controllers: readonly Supervised[];
  #agent: ScriptedAgent | null = null;
  #stopped = false;
  readonly #running: Promise<void>;
  connections = 0;
  /** Everything that an agent must not be sent. */
  readonly wrongs: string[] = [];
  readonly epochs: string[] = [];

  constructor(cleanup: Cleanup, identity: AgentIdentity, controllers: readonly Supervised[]) {
    this.#identity = identity;
    this.#controllers = controllers;
    this.#running = this.#run();
    cleanup.add(() => this.stop());
  }

  get listenPort(): number | null {
    const item = this.#agent?.items.get('gateway');
    return item?.kind === 'gateway' ? item.listenPort : null;
  }

  get revision(): Revision | null {
    return this.#agent?.state?.revision ?? null;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#agent?.ws.terminate();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let turn = 0; !this.#stopped; turn++) {
      const url = this.#controllers[turn % this.#controllers.length]?.url ?? null;
      const agent = url === null ? null : await this.#connect(Number(new URL(url).port));
      if (agent !== null) await this.#follow(agent);
      else await sleep(100);
    }
  }

  async #connect(port: number): Promise<ScriptedAgent | null> {
    const { token, ...enrolled } = this.#identity;
    const identity = this.#agent === null ? this.#identity : enrolled;
    return ScriptedAgent.connect(port, identity, this.#agent ?? undefined).catch(() => null);
  }

  async #follow(agent: ScriptedAgent): Promise<void> {
    let known = this.#agent?.state?.revision ?? null;
    this.#agent = agent;
    this.connections++;
    for (let n = 0; agent.closeCode === null && !this.#stopped; n++) {
      const { revision } = agent.state ?? {};
      if (revision !== undefined && revision !== known) {
        if (revision.epoch === known?.epoch && revision.number < known.number)
          this.wrongs.push(`revision ${known.number} goes back to ${revision.number}`);
        if (revision.epoch !== this.epochs.at(-1)) this.epochs.push(revision.epoch);
        known = revision;
        agent.apply();
      }
      if (n % 100 === 0) agent.beat(Date.now());
      await sleep(20);
    }
  }
}
