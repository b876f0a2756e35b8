import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { programArguments } from '@sallyport/program/place';

/** Why no gateway can run on this machine, in words for people; null when one can. */
export function whyNoLocalGateway(): string | null {
  if (process.platform !== 'linux') return 'gateways run on Linux';
  if (!mayAdministerNetworks()) return 'this needs root or CAP_NET_ADMIN';
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
    return null;
  } catch {
    return 'there is no /dev/net/tun that could be used';
  }
}

/** How the gateway beside the controller is run. */
export interface LocalGatewayOptions {
  /** Address of the controller for this machine. */
  readonly controllerUrl: string;
  /** The controller's own certificate, which the gateway trusts under any name; null: no TLS. */
  readonly caFile: string | null;
  /** Asked at each start of the agent; null: the gateway was deleted. */
  readonly token: () => Promise<string | null>;
  readonly stateDir: string;
  /** The environment without our own settings. */
  readonly env: NodeJS.ProcessEnv;
  readonly log: {
    readonly level?: string;
    readonly warn: (facts: object, text: string) => void;
    readonly error: (facts: object, text: string) => void;
  };
}

/** The gateway that runs beside the controller. */
export interface LocalGateway {
  /** Starts the agent again, because its token is another one now. The data plane goes on meanwhile. */
  renew(): void;
  /** Takes the gateway down with everything it has set up. */
  stop(): Promise<void>;
}

/**
 * Runs the gateway's agent as a child. The token goes in over standard input, which stays open: that it closes without
 * a signal tells the agent that we crashed, and then the data plane is left as it is.
 */
export function runLocalGateway(options: LocalGatewayOptions): LocalGateway {
  let stopping = false;
  let child: ChildProcess | null = null;
  let retry: NodeJS.Timeout | null = null;
  let delayMs = shortestDelayMs;

  let renewals = 0;

  const start = async (): Promise<void> => {
    const before = renewals;
    const token = await options.token();
    if (stopping) return;
    if (renewals !== before) return start();
    if (token === null) return options.log.warn({}, 'there is no local gateway any more: it was deleted');
    const startedAt = performance.now();
    child = spawnAgent(options, token);
    child.once('exit', (code, signal) => {
      child = null;
      if (stopping) return;
      if (renewals !== before) return begin();
      if (code === 0) return options.log.warn({}, 'the local gateway has ended: it was deleted or stopped');
      if (code === wrongUsage)
        return options.log.error({ code }, 'the local gateway cannot run; its own line above says why');
      delayMs = performance.now() - startedAt > steadyMs ? shortestDelayMs : Math.min(delayMs * 2, longestDelayMs);
      options.log.warn({ code, signal, retryInMs: delayMs }, 'the local gateway has ended and is started again');
      retry = setTimeout(begin, delayMs);
    });
  };
  const begin = (): void => {
    start().catch((error) => {
      options.log.error({ err: error }, 'the local gateway could not be started');
      retry = setTimeout(begin, longestDelayMs);
    });
  };
  begin();

  return {
    renew: () => {
      renewals++;
      // An agent whose standard input ends leaves everything as it is.
      child?.stdin?.end();
    },
    stop: async () => {
      stopping = true;
      if (retry !== null) clearTimeout(retry);
      if (child !== null) await end(child);
    },
  };
}

const wrongUsage = 2;
const shortestDelayMs = 1000;
const longestDelayMs = 60_000;
/** An agent that ran this long was all right. */
const steadyMs = 60_000;
/** How long undoing may take before we go without it. */
const patienceMs = 15_000;

/** The agent knows fewer levels. */
function agentLevel(level: string): string {
  if (level === 'trace') return 'debug';
  return level === 'fatal' || level === 'silent' ? 'error' : level;
}

function spawnAgent({ controllerUrl, caFile, stateDir, env, log }: LocalGatewayOptions, token: string): ChildProcess {
  const args = [
    ...programArguments('gateway'),
    'run',
    '--controller',
    controllerUrl,
    '--token-file',
    '-',
    '--state-dir',
    stateDir,
    '--down-on-exit',
    '--log-level',
    agentLevel(log.level ?? 'info'),
  ];
  // Only this machine is between us, whatever address the controller listens on.
  if (caFile === null) args.push('--insecure');
  else args.push('--ca-file', caFile);
  // In a session of its own: a Ctrl-C in the terminal reaches us alone, and we end it in order.
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'inherit', 'inherit'], detached: true });
  child.stdin?.on('error', () => undefined);
  child.stdin?.write(`${token}\n`);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const impatience = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  await gone;
  clearTimeout(impatience);
}

/** CAP_NET_ADMIN is bit 12 of the effective set (capability.h). */
function mayAdministerNetworks(): boolean {
  if (process.geteuid?.() === 0) return true;
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> 12n) & 1n) === 1n;
}
