import type { Readable } from 'node:stream';
import {
  Agent,
  type AgentClock,
  type AgentOptions,
  agentOptionsOf,
  type Ending,
  EndpointMemory,
  type Enrolment,
  failureOf,
  followCaFile,
  type Log,
  lockAgent,
  readEnrolment,
  StateDirectory,
  type TokenSources,
} from '@sallyport/agent-runtime';
import type { UpgradePermission } from '@sallyport/contract/channel';
import { slowness } from '@sallyport/wireguard';
import type { RunCommand } from '../arguments.ts';
import { GatewayPlane } from '../plane/gateway-plane.ts';
import { formatStatus } from '../state/status.ts';
import type { UpgradeHost } from '../upgrades/host.ts';
import { HostUpgrades } from '../upgrades/upgrades.ts';

/** Environment of the `run` command. */
export interface RunContext {
  readonly version: string;
  readonly token: Omit<TokenSources, 'argument'>;
  /** Value of the environment; an argument overrides it. */
  readonly caFile?: string | null;
  /** Path of the wireguard-go to run, from the environment. */
  readonly wireguardGo?: string | null;
  /** Whether the environment allows upgrades that the controller asks for; an argument overrides it. */
  readonly allowUpgrades?: boolean;
  /** Where versions lie beside each other; null: this host is not upgraded this way. */
  readonly upgradeHost?: UpgradeHost | null;
  readonly stdin: Readable;
  readonly log: Log;
  readonly clock: AgentClock;
  /** Resolves when the process is asked to end. */
  readonly interrupted: Promise<unknown>;
  /** Resolves when the agent is asked to end and to start again with the same tunnels. */
  readonly restart: Promise<unknown>;
}

/** Runs the agent until it ends. Returns the exit code, or `restart`. Throws UsageError. */
export async function runGateway(command: RunCommand, context: RunContext): Promise<number | 'restart'> {
  const { log } = context;
  const trust = trustOf(command, context);
  const directory = await StateDirectory.open(command.stateDir);
  const lock = await lockAgent(command.stateDir, command.interface);
  try {
    const sources = { argument: command.tokenFile, ...context.token };
    const enrolment = await readEnrolment('gateway', directory, sources, context.stdin);
    const upgrades = upgradesOf(command, context, directory);
    const agent = await createAgent(command, { ...context, trust, upgrades }, enrolment);
    const gateway = enrolment.identity.agent;
    log.info('starting', { version: context.version, gateway, interface: command.interface });
    await agent.start();
    const restart = Promise.race([context.restart, upgrades.interrupted]);
    return await untilOver(agent, command, { ...context, restart });
  } finally {
    await lock.release();
  }
}

function trustOf({ caFile }: RunCommand, context: RunContext) {
  return followCaFile(caFile ?? context.caFile ?? null, caFile === null ? 'SALLYPORT_CA_FILE' : '--ca-file');
}

async function createAgent(
  command: RunCommand,
  context: RunContext & Pick<AgentOptions, 'trust'> & { readonly upgrades: Upgrades },
  enrolment: Enrolment,
): Promise<Agent> {
  const { version, log, clock, trust, wireguardGo = null, upgrades } = context;
  const { directory, identity } = enrolment;
  const endpoints = await EndpointMemory.load(directory);
  const plane = new GatewayPlane({
    gateway: identity.agent,
    interface: command.interface,
    wireguard: command.wireguard,
    wireguardGo: command.wireguardGo ?? wireguardGo,
    privateKey: identity.wireguardPrivateKey,
    directory,
    endpoints,
    log,
    now: clock.now,
    hostNow: clock.hostNow,
  });
  const options = agentOptionsOf(enrolment, version);
  return new Agent({
    ...options,
    session: { ...options.session, ...(upgrades.permission && { upgrades: upgrades.permission }) },
    ...(upgrades.ask && { upgrade: upgrades.ask }),
    url: command.url,
    ...(trust && { trust }),
    plane,
    status: (session, now, sighting) =>
      formatStatus(session, now, {
        version,
        sighting,
        aheadMs: clock.hostNow() - clock.now(),
        notes: directory.unsaved,
        slow: plane.wireguardBuild && slowness(plane.wireguardBuild),
      }),
    log,
    clock,
  });
}

interface Upgrades {
  readonly permission: UpgradePermission | null;
  readonly ask?: AgentOptions['upgrade'];
  /** Resolves when the trial of this version was interrupted, so that the current one has to start again. */
  readonly interrupted: Promise<void>;
}

/** The host decides whether the controller may ask for upgrades. */
function upgradesOf(command: RunCommand, context: RunContext, directory: StateDirectory): Upgrades {
  const { log, upgradeHost: host = null, allowUpgrades = false } = context;
  const never = new Promise<void>(() => {});
  if (!(command.allowUpgrades ?? allowUpgrades)) return { permission: null, interrupted: never };
  if (host === null) {
    log.warn('upgrades are allowed and impossible: this program was not installed by the script of a controller');
    return { permission: 'impossible', interrupted: never };
  }
  const interrupted = Promise.withResolvers<void>();
  const { releaseKey } = command;
  const upgrades = new HostUpgrades({ directory, host, releaseKey, log, restart: interrupted.resolve });
  return {
    permission: 'allowed',
    ask: (asked, report) => upgrades.ask(asked, report),
    interrupted: interrupted.promise,
  };
}

async function untilOver(agent: Agent, command: RunCommand, context: RunContext): Promise<number | 'restart'> {
  const { log, interrupted, restart } = context;
  const why = await Promise.race([
    agent.ended,
    interrupted.then(() => 'interrupted' as const),
    restart.then(() => 'restart' as const),
    parentGone(command, context.stdin).then(() => 'orphaned' as const),
  ]);
  if (typeof why !== 'string') return reportEnding(why, log);
  await agent.stop();
  if (why === 'restart') return why;
  if (why === 'orphaned' || !command.downOnExit) {
    log.info('stopped: the data plane goes on without the agent', { why });
    return 0;
  }
  try {
    reportUndone(await agent.down(), log);
    return 0;
  } catch (error) {
    log.error('not everything could be undone', { reason: failureOf(error).message });
    return 1;
  }
}

/**
 * Watches a parent that passed the token on standard input with `--down-on-exit`; it keeps the pipe open while it
 * lives. A closed pipe without a signal means that the parent crashed. The data plane must outlive that.
 */
function parentGone(command: RunCommand, stdin: Readable): Promise<void> {
  if (!command.downOnExit || command.tokenFile !== '-') return new Promise(() => {});
  if (stdin.readableEnded || stdin.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    stdin.once('end', resolve);
    stdin.once('close', resolve);
    stdin.once('error', () => resolve());
    stdin.resume();
  });
}

function reportEnding(ending: Ending, log: Log): number {
  switch (ending.kind) {
    case 'stopped':
      return 0;
    case 'deleted':
      reportUndone(ending.undone, log);
      return 0;
    case 'refused':
      log.error('the controller will not enrol this gateway', { reason: ending.message });
      return 1;
  }
}

function reportUndone(undone: readonly string[], log: Log): void {
  log.info('undone', { what: undone.length === 0 ? 'nothing' : undone.join('; ') });
}
