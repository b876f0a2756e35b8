import type { Readable } from 'node:stream';
import {
  Agent,
  AgentClock,
  type AgentOptions,
  agentOptionsOf,
  channelUrl,
  type Ending,
  EndpointMemory,
  type Enrolment,
  failureOf,
  followCaFile,
  type Log,
  lockAgent,
  readEnrolment,
  readSavedHost,
  StateDirectory,
  StateWriteError,
  type TokenSources,
} from '@sallyport/agent-runtime';
import type { ClientHostState } from '@sallyport/hostnet';
import { within } from '@sallyport/program';
import { defaultInterface, type RunSettings } from '../arguments.ts';
import { answer, type DaemonParts, statusNow } from '../daemon.ts';
import { UsageError } from '../failure.ts';
import { LocalServer } from '../local/server.ts';
import { ClientPlane } from '../plane/client-plane.ts';
import { ControllerAddress } from '../plane/controller-address.ts';
import { readPosture } from '../posture/read.ts';
import { type KnownSettings, mergeSettings, readSettings, writeSettings } from '../state/settings.ts';
import { undoTunnel } from './down.ts';

/** Environment of the `run` command. */
export interface RunContext {
  readonly version: string;
  readonly pid: number;
  readonly key: Omit<TokenSources, 'argument'>;
  readonly stdin: Readable;
  /** Path of the wireguard-go to run, as the environment names it; null: that of the package, else the newest on the host. */
  readonly wireguardGo: string | null;
  readonly log: Log;
  readonly now: () => number;
  /** Milliseconds since the host booted, including sleep. */
  readonly sinceBoot: () => number;
  /** Resolves when the process is asked to end. */
  readonly interrupted: Promise<unknown>;
  /** Resolves when the daemon is asked to end and to start again with the same tunnels. */
  readonly restart: Promise<unknown>;
}

/** Runs the daemon until it ends. Returns the exit code, or `restart`. Throws UsageError. */
export async function runClient(command: RunSettings, context: RunContext): Promise<number | 'restart'> {
  const { log } = context;
  const directory = await StateDirectory.open(command.stateDir);
  // The mark and the routing table belong to the host. A second client would take them from the first on any interface.
  const lock = await lockAgent(command.stateDir, 'sallyport-client');
  try {
    const known = await readSettings(directory);
    const settings = mergeSettings(command, known, defaultInterface);
    if (settings === null) throw new UsageError('--controller URL is missing: the first start needs it');
    const url = channelUrl(settings.controller, settings.insecure);
    const trust = followCaFile(settings.caFile);
    const enrolment = await enrolmentOf(command, context, directory);
    if (JSON.stringify(settings) !== JSON.stringify(known)) await keepSettings(directory, settings, log);
    const parts = await createParts(settings, { url, trust }, context, enrolment);
    log.info('starting', { version: context.version, device: enrolment.identity.agent, interface: settings.interface });
    return await serve(parts, command, context);
  } finally {
    await lock.release();
  }
}

/** Stores the settings. A full disk does not stop the daemon; the next start then uses the earlier settings. */
async function keepSettings(directory: StateDirectory, settings: KnownSettings, log: Log): Promise<void> {
  await writeSettings(directory, settings).catch((error) => {
    if (!(error instanceof StateWriteError && error.diskRefuses)) throw error;
    log.error('the settings could not be stored', reasonOf(error));
  });
}

async function enrolmentOf(
  { keyFile }: RunSettings,
  { key, stdin }: RunContext,
  directory: StateDirectory,
): Promise<Enrolment> {
  try {
    return await readEnrolment('device', directory, { argument: keyFile, ...key }, stdin);
  } finally {
    // The program that wrote the key may end, and a terminal is not the daemon's.
    if (keyFile === '-') stdin.destroy();
  }
}

interface Parts extends DaemonParts {
  readonly stopped: Promise<void>;
}

async function createParts(
  settings: KnownSettings,
  { url, trust }: Pick<AgentOptions, 'url' | 'trust'>,
  context: RunContext,
  enrolment: Enrolment,
): Promise<Parts> {
  const { directory, identity } = enrolment;
  const { version, pid, log, now, sinceBoot, wireguardGo } = context;
  const clock = new AgentClock(now, sinceBoot);
  const endpoints = await EndpointMemory.load(directory);
  const before = (await readSavedHost<ClientHostState>(directory))?.host ?? null;
  // Two interfaces would share the mark and the routing table.
  if (before !== null && before.interface !== settings.interface)
    await undoTunnel(before.interface, directory, endpoints);
  const controller = new ControllerAddress(url, before?.direct ?? [], () => plane.directChanged());
  const plane: ClientPlane = new ClientPlane({
    interface: settings.interface,
    wireguard: settings.wireguard,
    wireguardGo,
    dns: settings.dns,
    privateKey: identity.wireguardPrivateKey,
    device: identity.agent,
    readPosture: () => readPosture(version),
    controllerHost: new URL(url).hostname.toLowerCase(),
    direct: () => controller.targets,
    directory,
    endpoints,
    log,
    now: clock.now,
  });
  let enrolled = identity.enrolledWith !== null;
  let stop: () => void = () => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const shared = agentOptionsOf(enrolment, version);
  const agent = new Agent({
    ...shared,
    url,
    ...(trust && { trust }),
    lookup: controller.lookup,
    plane,
    status: () => `${JSON.stringify(statusNow(parts))}\n`,
    onPinned: async (...key) => {
      await shared.onPinned(...key);
      enrolled = true;
    },
    log,
    clock,
  });
  const about = { version, pid, device: identity.agent, interface: settings.interface };
  const { controller: typed, caFile } = settings;
  const parts = { agent, plane, about, controller: typed, caFile, isEnrolled: () => enrolled, stop, stopped };
  return parts;
}

async function serve(parts: Parts, command: RunSettings, context: RunContext): Promise<number | 'restart'> {
  const { agent, stopped } = parts;
  const server = await LocalServer.listen(
    command.stateDir,
    (request) => answer(parts, request),
    (error) => context.log.error('a connection to the local socket failed', { reason: failureOf(error).message }),
  ).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EROFS') throw error;
    context.log.error('there is no local socket, because the state directory is read-only', reasonOf(error));
    return null;
  });
  try {
    await agent.start();
    const why = await Promise.race([
      agent.ended,
      stopped.then(() => 'asked' as const),
      context.interrupted.then(() => 'interrupted' as const),
      context.restart.then(() => 'restart' as const),
    ]);
    if (typeof why !== 'string') return await reportEnding(why, agent, context.log);
    await within(agent.stop(), longestStopMs);
    if (why === 'restart') return why;
    context.log.info('stopped: the tunnel stays up without the daemon', { why });
    return 0;
  } finally {
    await server?.close();
  }
}

/** Limits the wait for a program, so that the daemon can end. */
const longestStopMs = 8_000;

async function reportEnding(ending: Ending, agent: Agent, log: Log): Promise<number> {
  switch (ending.kind) {
    case 'stopped':
      return 0;
    case 'deleted':
      log.info('this device was deleted at the controller', { undone: ending.undone.join('; ') });
      return 0;
    case 'refused': {
      await within(agent.stop(), longestStopMs);
      await agent.down().catch((error) => log.error('not everything could be undone', reasonOf(error)));
      log.error('the controller will not enrol this device', { reason: ending.message });
      return 1;
    }
  }
}

function reasonOf(error: unknown) {
  return { reason: failureOf(error).message };
}
