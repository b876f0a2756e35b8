import { access, constants, statfs } from 'node:fs/promises';
import { lockHolder, readIdentity, StateDirectory } from '@sallyport/agent-runtime';
import type { GatewayAgentStatus } from '@sallyport/contract/local';
import { natText } from '@sallyport/contract/nat-text';
import { clean } from '@sallyport/contract/text';
import type { Place } from '../arguments.ts';
import { readStatus } from '../state/status.ts';

/** Output and exit code of `status`. */
export interface StatusAnswer {
  readonly text: string;
  /** 0 when an agent runs and has applied the controller's state; else 1. */
  readonly code: number;
}

/** Reads the status of the gateway on this host. */
export async function gatewayStatus({ stateDir, json }: Place & { readonly json: boolean }): Promise<StatusAnswer> {
  const directory = StateDirectory.at(stateDir);
  const [identity, status, pid, refusal] = await Promise.all([
    readIdentity(directory),
    readStatus(directory),
    lockHolder(stateDir),
    refusalOf(stateDir),
  ]);
  const running = pid !== null;
  const code = running && status?.applied != null && status.failure === null ? 0 : 1;
  const gateway = identity?.agent ?? null;
  const enrolled = identity !== null && identity.enrolledWith !== null;
  if (json)
    return {
      text: `${JSON.stringify({ gateway, enrolled, running, ...status, pid, stateDirectory: refusal ?? 'writable' })}\n`,
      code,
    };
  if (gateway === null) return { text: `No gateway was ever run with ${stateDir}.\n`, code };
  return { text: describe(gateway, enrolled, pid, status, refusal), code };
}

/** Returns why a directory cannot store state; null when it can, as far as a check without a write can tell. */
async function refusalOf(path: string): Promise<'read-only' | 'full' | null> {
  try {
    await access(path, constants.W_OK);
    const { bavail, ffree, files } = await statfs(path);
    return bavail === 0 || (files > 0 && ffree === 0) ? 'full' : null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS' ? 'read-only' : null;
  }
}

function describe(
  gateway: string,
  enrolled: boolean,
  pid: number | null,
  status: GatewayAgentStatus | null,
  refusal: 'read-only' | 'full' | null,
): string {
  const lines: [string, string][] = [
    ['gateway', `${gateway}${enrolled ? '' : ' (not enrolled yet)'}`],
    ['agent', pid === null ? 'not running; what was applied goes on until the lease ends' : `running, process ${pid}`],
  ];
  if (status !== null) {
    const { phase, applied, failure, intent, devices, leaseUntil, nat, clockAheadMs, slow } = status;
    if (pid !== null) lines.push(['controller', phase === 'live' ? 'connected' : `not connected (${phase})`]);
    if (pid !== null && nat !== undefined) lines.push(['NAT', natText(nat, phase === 'live')]);
    lines.push(['applied', applied === null ? 'nothing' : `revision ${applied.revision.number}, ${devices} devices`]);
    if (intent !== null) lines.push(['intent', intent]);
    if (leaseUntil !== null) lines.push(['lease until', leaseUntil]);
    if (Math.abs(clockAheadMs ?? 0) > 60_000) lines.push(['clock', clockText(clockAheadMs)]);
    if (slow !== null) lines.push(['slow', slow]);
    for (const note of status.notes) lines.push(['note', note]);
    if (refusal !== null) {
      const old = `what is shown here may be as old as ${status.updatedAt}`;
      lines.push([
        'state dir',
        `it is ${refusal}: the agent enforces its newest state and cannot store it, and ${old}`,
      ]);
    }
    if (failure !== null) lines.push(['error', `${failure.message} (${failure.code})`]);
  }
  return lines.map(([name, value]) => `${name.padEnd(12)} ${clean(value)}\n`).join('');
}

function clockText(aheadMs: number): string {
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  return `${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the controller's: set it by NTP`;
}
