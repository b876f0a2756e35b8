import type { ClientStatus } from '@sallyport/contract/local';
import { CommandError } from '../failure.ts';
import { LocalConnection } from '../local/client.ts';
import { isReady } from '../state/readiness.ts';
import { progressText } from './tell.ts';

export interface WaitOptions {
  /** Null: it is being started. */
  readonly daemon: LocalConnection | null;
  readonly stateDir: string;
  readonly timeoutMs: number;
  /** Why the daemon has ended; null: it runs, or somebody else looks after it. */
  readonly failed: () => Promise<string> | null;
  /** What it complained of last; null: of nothing. */
  readonly complaint: () => Promise<string | null>;
  readonly progress: (line: string) => void;
  /** Called with the first status; throws when this is not the daemon that is meant. */
  readonly accept: (status: ClientStatus) => void;
}

/**
 * Waits until everything that may be reached can be. Resolves with how it stands then, or when the time is over and
 * something is in force at least. Throws CommandError with what is in the way.
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

/** While it has not failed once, the controller may have news of what is in force. */
function awaitsController({ controller }: ClientStatus): boolean {
  return !controller.connected && controller.phase !== 'waiting' && controller.phase !== 'refused';
}

/** What does not pass by itself: somebody has to install or allow something. */
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
  throw new CommandError(`not connected ${waited}. The daemon goes on trying; sally down ends it`);
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

/** Its log is whole once it has ended. */
async function ended({ failed }: WaitOptions): Promise<CommandError> {
  for (let tries = 0; failed() === null && tries < 200; tries++) await new Promise((resolve) => setTimeout(resolve, 5));
  return new CommandError((await failed()) ?? 'the daemon has ended');
}
