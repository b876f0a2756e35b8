import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControllerMessage, SignedStatement } from '@sallyport/contract/channel';
import { Cleanup, PostgresServer, until } from '@sallyport/testkit';
import {
  type AgentIdentity,
  newAgent,
  ScriptedAgent,
} from '../../apps/controller/src/channel/testing/scripted-agent.ts';
import { ControllerProcess, testFolder } from '../../apps/controller/src/testing/controller-process.ts';
import { SilentProxy } from '../postgres/silent-proxy.ts';

type Loose = ReturnType<typeof JSON.parse>;

/** Answer of a controller. Status 0: it gave none. */
export interface Answer {
  readonly status: number;
  readonly json: Loose;
}

const apiKey = 'k'.repeat(40);

/** One of several controllers that are real processes. */
export class Member {
  readonly process: ControllerProcess;
  readonly port: number;

  /** Throws when the process did not start. */
  constructor(process: ControllerProcess) {
    this.process = process;
    this.port = Number(new URL(process.url).port);
  }

  /** Asks it. Never rejects. */
  async ask(method: string, path: string, body?: object): Promise<Answer> {
    const headers = { apikey: apiKey, ...(body && { 'content-type': 'application/json' }) };
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    try {
      const answer = await fetch(`${this.process.url}${path}`, init);
      return { status: answer.status, json: answer.status === 204 ? null : await answer.json() };
    } catch {
      return { status: 0, json: null };
    }
  }

  async isReady(): Promise<boolean> {
    return (await this.ask('GET', '/readyz')).status === 200;
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.process.pid ?? 0, signal);
  }

  /** Descriptors that the process has open, and its memory. */
  size(): { readonly descriptors: number; readonly megabytes: number } {
    const folder = `/proc/${this.process.pid}`;
    const [, kilobytes = '0'] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`${folder}/status`, 'latin1')) ?? [];
    return { descriptors: readdirSync(`${folder}/fd`).length, megabytes: Number(kilobytes) / 1024 };
  }
}

/** A PostgreSQL server, and controllers that reach it through a network that can fail. */
export class BadDays {
  readonly server: PostgresServer;
  readonly proxy: SilentProxy;
  readonly members: readonly [Member, Member];
  /** Starts one more controller. `file`: of another version. Throws when it does not start. */
  readonly startOne: (name: string, file?: string) => Promise<Member>;

  private constructor(
    server: PostgresServer,
    proxy: SilentProxy,
    members: readonly [Member, Member],
    startOne: BadDays['startOne'],
  ) {
    this.server = server;
    this.proxy = proxy;
    this.members = members;
    this.startOne = startOne;
  }

  /** `envOf`: more settings of a controller, which are called `one` and `two`. */
  static async start(t: TestContext, envOf: (name: string) => Record<string, string> = () => ({})): Promise<BadDays> {
    const cleanup = new Cleanup();
    t.after(() => cleanup.run());
    const folder = testFolder(t);
    const server = await PostgresServer.start(cleanup);
    await server.sql('CREATE DATABASE bad');
    const proxy = await SilentProxy.start(join(server.folder, `.s.PGSQL.${server.port}`));
    cleanup.add(async () => proxy.stop());
    const keyFile = join(folder, 'master.key');
    writeFileSync(keyFile, 'ab'.repeat(32));
    const env = {
      SALLYPORT_DATABASE_URL: `postgres://sally@127.0.0.1:${proxy.port}/bad?sslmode=disable`,
      SALLYPORT_MASTER_KEY_FILE: keyFile,
      SALLYPORT_BOOTSTRAP_API_KEY: apiKey,
      SALLYPORT_TENANT_QUOTAS: 'gateways=100000',
      SALLYPORT_TENANT_WRITES_PER_SECOND: '100000',
    };
    const start = async (name: string, file?: string) =>
      new Member(await ControllerProcess.start(t, join(folder, name), [], { ...env, ...envOf(name) }, [], file));
    const members = [await start('one'), await start('two')] as const;
    return new BadDays(server, proxy, members, start);
  }

  /** Stops every process of the server as they are, or lets them go on. */
  freeze(signal: 'SIGSTOP' | 'SIGCONT'): void {
    const [first = ''] = readFileSync(join(this.server.folder, 'data/postmaster.pid'), 'latin1').split('\n');
    const children = readFileSync(`/proc/${first}/task/${first}/children`, 'latin1').trim().split(' ');
    for (const pid of [first, ...children]) process.kill(Number(pid), signal);
  }

  async allReady(): Promise<void> {
    const ready = () => Promise.all(this.members.map((member) => member.isReady()));
    await until('all controllers are ready', async () => (await ready()).every(Boolean));
  }

  /** Gateways in the database, by name, as a controller lists them. */
  async names(member: Member): Promise<string[]> {
    const { json } = await member.ask('GET', '/tenants/gateways?limit=100000');
    return json.map(({ name }: Loose) => name);
  }
}

/** Creates gateways through one controller all the time, and keeps what was acknowledged. */
export class Writer {
  readonly acknowledged: string[] = [];
  readonly answers: { readonly at: number; readonly took: number; readonly status: number; readonly code: string }[] =
    [];
  readonly #done: Promise<unknown>;
  #running = true;

  constructor(member: Member, name: string, callers: number) {
    this.#done = Promise.all(Array.from({ length: callers }, (_, n) => this.#write(member, `${name} ${n}`)));
  }

  async end(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #write(member: Member, name: string): Promise<void> {
    for (let n = 0; this.#running; n++) {
      const body = { name: `${name} ${n}`, wireguardPort: '51820' };
      const began = performance.now();
      const { status, json } = await member.ask('POST', '/tenants/gateways', body);
      const at = performance.now();
      if (status === 201) this.acknowledged.push(body.name);
      this.answers.push({ at, took: at - began, status, code: json?.code ?? '' });
      if (status !== 201) await sleep(20);
    }
  }
}

/** A message with a signature, as an agent got it. */
export interface Signed {
  readonly at: number;
  readonly statement: SignedStatement['statement'];
}

const silenceMs = 30_000;
const beatMs = 2_000;

/** A gateway's agent that stays connected to one of the controllers, and notes everything that is signed for it. */
export class Resident {
  readonly id: string;
  readonly name: string;
  readonly signed: Signed[] = [];
  /** Codes with which controllers sent it away. */
  readonly sentAway: { readonly at: number; readonly code: string }[] = [];
  current: ScriptedAgent | null = null;
  readonly #identity: AgentIdentity;
  readonly #members: readonly Member[];
  #turn: number;
  #running = true;
  readonly #done: Promise<void>;

  /** Begins with the controller of this index. */
  private constructor(members: readonly Member[], first: number, made: Loose) {
    this.id = made.id;
    this.name = made.name;
    this.#identity = newAgent(made.id, made.token);
    this.#members = members;
    this.#turn = first;
    this.#done = this.#live();
  }

  static async start(members: readonly Member[], first: number, name: string): Promise<Resident> {
    const made = await members[first]?.ask('POST', '/tenants/gateways', { name, wireguardPort: '51820' });
    if (made?.status !== 201) throw new Error(`no gateway: ${JSON.stringify(made)}`);
    const resident = new Resident(members, first, made.json);
    await until('the agent is connected', () => resident.connected);
    return resident;
  }

  get connected(): boolean {
    return this.current !== null && this.current.closeCode === null && this.current.state !== undefined;
  }

  /** Index of the controller that it is connected to, or tries. */
  get at(): number {
    return this.#turn % this.#members.length;
  }

  /** Port of the tunnel in the state that it has applied. */
  get wireguardPort(): string {
    return JSON.stringify([...(this.current?.items.values() ?? [])].filter(({ kind }) => kind === 'gateway'));
  }

  async end(): Promise<void> {
    this.#running = false;
    await this.#done;
    this.current?.ws.terminate();
  }

  async #live(): Promise<void> {
    let before: ScriptedAgent | undefined;
    while (this.#running) {
      const member = this.#members[this.at];
      if (member !== undefined && (await within(member.isReady(), 2_000))) {
        const agent = await ScriptedAgent.connect(member.port, this.#identity, before).catch(() => null);
        if (agent !== null) {
          this.current = before = agent;
          await this.#stay(agent);
        }
      }
      this.#turn++;
      await sleep(100);
    }
  }

  async #stay(agent: ScriptedAgent): Promise<void> {
    let heardAt = performance.now();
    let [read, beatAt] = [0, Number.NEGATIVE_INFINITY];
    agent.ws.on('pong', () => {
      heardAt = performance.now();
    });
    while (this.#running && agent.closeCode === null && performance.now() - heardAt < silenceMs) {
      for (; read < agent.received.length; read++) this.#note(agent, agent.received[read]);
      if (performance.now() - beatAt >= beatMs && agent.ws.readyState === agent.ws.OPEN) {
        beatAt = performance.now();
        agent.beat(Date.now());
        agent.ws.ping();
      }
      await sleep(20);
    }
    for (; read < agent.received.length; read++) this.#note(agent, agent.received[read]);
    if (agent.closeCode === null) agent.ws.terminate();
  }

  #note(agent: ScriptedAgent, message: ControllerMessage | undefined): void {
    const at = performance.now();
    if (message?.type === 'refused') this.sentAway.push({ at, code: message.code });
    if (message !== undefined && 'signed' in message) {
      this.signed.push({ at, statement: message.signed.statement });
      if (agent.ws.readyState === agent.ws.OPEN) agent.apply();
    }
  }
}

async function within(work: Promise<boolean>, ms: number): Promise<boolean> {
  const ended = new AbortController();
  const late = sleep(ms, false, { signal: ended.signal }).catch(() => false);
  try {
    return await Promise.race([work, late]);
  } finally {
    ended.abort();
  }
}
