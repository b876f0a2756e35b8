import type { AgentStatus } from './health.ts';

/**
 * Reads the status file of an agent of another version. It takes only the fields that it needs and ignores the rest, so
 * that a newer agent may write more. Returns null when the file is not of process `pid`, or cannot be read.
 */
export function readStatusFile(role: 'gateway' | 'client', text: string, pid: number): AgentStatus | null {
  const status = objectOf(parse(text));
  if (status === null || status.pid !== pid) return null;
  const version = typeof status.version === 'string' ? status.version : 'older';
  return role === 'gateway' ? gatewayStatus(status, version) : clientStatus(status, version);
}

type Fields = Readonly<Record<string, unknown>>;

function gatewayStatus({ phase, applied, failure }: Fields, version: string): AgentStatus {
  const state = objectOf(applied);
  const revision = objectOf(state?.revision)?.number;
  return {
    version,
    revision: typeof revision === 'number' ? revision : null,
    hash: typeof state?.hash === 'string' ? state.hash : null,
    failure: failureText(failure),
    connected: phase === 'live',
  };
}

function clientStatus({ revision, error, controller }: Fields, version: string): AgentStatus {
  return {
    version,
    revision: typeof revision === 'number' ? revision : null,
    hash: null,
    failure: failureText(error),
    connected: objectOf(controller)?.connected === true,
  };
}

function failureText(value: unknown): string | null {
  const failure = objectOf(value);
  return failure === null ? null : `${String(failure.message)} (${String(failure.code)})`.slice(0, 2000);
}

const objectOf = (value: unknown): Fields | null =>
  typeof value === 'object' && value !== null ? (value as Fields) : null;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
