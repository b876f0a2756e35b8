import type { ClientStatus } from '@sallyport/contract/local';
import { CommandError } from '../failure.ts';
import { LocalConnection } from '../local/client.ts';
import { isReady } from '../state/readiness.ts';
import { progressText } from './tell.ts';

/** Options of a wait. */
export interface WaitOptions {
  /** Null while the daemon starts. */
  readonly daemon: LocalConnection | null;
  readonly stateDir: string;
  readonly timeoutMs: number;
  /** Returns why the daemon ended; null when it runs or a supervisor manages it. */
  readonly failed: () => Promise<string> | null;
  /** Returns the last failure that the daemon logged; null when there is none. */
  readonly complaint: () => Promise<string | null>;
  readonly progress: (line: string) => void;
  /** Called with the first status; throws when it belongs to another daemon. */
  readonly accept: (status: ClientStatus) => void;
}

/**
 * Waits until every allowed destination is reachable. Resolves with the last status then, or at the timeout if a
 * configuration is in force. Throws CommandError with the obstacle.
 */
export async function untilReady(options: WaitOptions): Promise<ClientStatus> {
  const end = performance.now() + options.timeoutMs;
  const daemon = options.daemon ?? (await untilListening(options, end));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), Math.max(0, end - performance.now()));
  });
  try {
    return await follow(daemon, late, options);
  } finally {
    clearTimeout(timer);
    daemon.close();
  }
}

async function follow(daemon: LocalConnection, late: Promise<null>, options: WaitOptions): Promise<ClientStatus> {
  let status: ClientStatus | null = null;
  daemon.send({ op: 'follow' });
  for (;;) {
    const reply = await Promise.race([daemon.next().then((next) => ({ next })), late]);
    if (reply === null) return await outOfTime(status, options);
    if (reply.next === null) throw await ended(options);
    if (reply.next.type !== 'status') continue;
    if (status === null) options.accept(reply.next.status);
    status = reply.next.status;
    options.progress(progressText(status));
    if (isReady(status) && !awaitsController(status)) return status;
    if (status.error !== null && failsForGood.has(status.error.code)) throw new CommandError(status.error.message);
  }
}

/** Before the first failed attempt, the controller may still have a newer state than the one in force. */
function awaitsController({ controller }: ClientStatus): boolean {
  return !controller.connected && controller.phase !== 'waiting' && controller.phase !== 'refused';
}

/** Failures that need an action of an administrator. */
const failsForGood: ReadonlySet<string> = new Set([
  'missing-tool',
  'no-privilege',
  'no-tun',
  'no-kernel-module',
  'name-taken',
]);

async function outOfTime(status: ClientStatus | null, { timeoutMs, complaint }: WaitOptions): Promise<ClientStatus> {
  if (status?.current) return status;
  const said = status?.error == null ? await complaint() : null;
  const reason = [progressText(status), ...(said === null ? [] : [said])].join('; ');
  const waited = `after ${Math.round(timeoutMs / 1000)} s: ${reason.replace(/\.$/, '')}`;
  throw new CommandError(`not connected ${waited}. The daemon keeps trying; sally down ends it`);
}

async function untilListening(options: WaitOptions, end: number): Promise<LocalConnection> {
  options.progress(progressText(null));
  for (;;) {
    const daemon = await LocalConnection.open(options.stateDir);
    if (daemon !== null) return daemon;
    if (options.failed() !== null) throw await ended(options);
    if (performance.now() > end)
      throw new CommandError('the daemon does not start: see client.log in the state directory');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The log is complete only after the daemon has ended. */
async function ended({ failed }: WaitOptions): Promise<CommandError> {
  for (let tries = 0; failed() === null && tries < 200; tries++) await new Promise((resolve) => setTimeout(resolve, 5));
  return new CommandError((await failed()) ?? 'the daemon has ended');
}
